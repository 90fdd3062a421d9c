// Verifies chains as Go's crypto/x509 does: reads a list of cases (a file, JSON), prints a list of
// errors; an empty one is an accepted chain. With "connect" or "listen" it speaks TLS: tls.go.
package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
)

type testCase struct {
	Leaf, Roots, Intermediates, Usage string
}

func verify(c testCase) error {
	block, _ := pem.Decode([]byte(c.Leaf))
	if block == nil {
		return fmt.Errorf("the leaf is not PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(c.Roots)) {
		return fmt.Errorf("no root was read")
	}
	if c.Intermediates != "" && !intermediates.AppendCertsFromPEM([]byte(c.Intermediates)) {
		return fmt.Errorf("no intermediate was read")
	}
	usage := map[string]x509.ExtKeyUsage{
		"server": x509.ExtKeyUsageServerAuth,
		"client": x509.ExtKeyUsageClientAuth,
	}[c.Usage]
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	})
	return err
}

func main() {
	if len(os.Args) > 2 {
		speak(os.Args[1:])
		return
	}
	content, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var cases []testCase
	if err := json.Unmarshal(content, &cases); err != nil {
		panic(err)
	}
	answers := make([]string, len(cases))
	for i, c := range cases {
		if err := verify(c); err != nil {
			answers[i] = err.Error()
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
