"""Verifies a token of ours, and signs one: reads a JSON object from a file, prints one.

Given `jwks`, `token`, `issuer` and `audience`; answers `claims`, what PyJWT says to changed ones
(`refused`), and `jwks` and `token` of its own, with `claims` of the file's `sign`.
"""

import json
import sys

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

with open(sys.argv[1], encoding="utf-8") as file:
    given = json.load(file)


def verify(token, audience=given["audience"]):
    keys = jwt.PyJWKSet.from_json(given["jwks"])
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(
        token,
        key,
        algorithms=["ES384"],
        issuer=given["issuer"],
        audience=audience,
        options={"require": ["exp", "iat", "jti", "sub"]},
    )


def refused(call):
    try:
        call()
    except jwt.PyJWTError as error:
        return type(error).__name__
    return None


header, claims, signature = given["token"].split(".")
key = ec.generate_private_key(ec.SECP384R1())
public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
json.dump(
    {
        "claims": verify(given["token"]),
        "refused": [
            refused(lambda: verify(f"{header}.{claims}.{'A' * len(signature)}")),
            refused(lambda: verify(given["token"], "somebody-else")),
        ],
        "jwks": json.dumps({"keys": [{**public, "kid": "of-pyjwt", "use": "sig", "alg": "ES384"}]}),
        "token": jwt.encode(given["sign"], key, algorithm="ES384", headers={"kid": "of-pyjwt"}),
    },
    sys.stdout,
)
