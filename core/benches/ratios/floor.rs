//! What the cryptography of one sign alone costs: the request's signature verified, the certificate
//! signed.

use std::{hint::black_box, io, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair, Signature,
        UnparsedPublicKey,
    },
};

use crate::report::throughput;

pub(crate) struct Floor {
    key: EcdsaKeyPair,
    random: SystemRandom,
    csr_tbs: Vec<u8>,
    proof: Signature,
    certificate_tbs: Vec<u8>,
}

impl Floor {
    pub(crate) fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        let random = SystemRandom::new();
        // As many bytes as a request and a certificate have between the outer tags.
        let (csr_tbs, certificate_tbs) = (vec![1_u8; 280], vec![2_u8; 480]);
        let proof = key.sign(&random, &csr_tbs).unwrap();
        Self { key, random, csr_tbs, proof, certificate_tbs }
    }

    pub(crate) fn sign(&self) {
        let point = self.key.public_key().as_ref();
        let public_key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point);
        public_key.verify(black_box(&self.csr_tbs), self.proof.as_ref()).unwrap();
        black_box(self.key.sign(&self.random, black_box(&self.certificate_tbs)).unwrap());
    }
}

/// For a bench in another language, whose figures are only comparable with those of the same moment:
/// reads a number of threads from each line of standard input, keeps them busy for a quarter of a
/// second, and answers with a line that says how many signs a second they did.
pub(crate) fn serve() {
    let floor = Floor::new();
    for line in io::stdin().lines() {
        let threads = line.unwrap().parse().unwrap();
        println!("{:.1}", throughput(threads, Duration::from_millis(250), || floor.sign()));
    }
}
