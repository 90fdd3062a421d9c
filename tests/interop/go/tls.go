// Speaks TLS as Go's crypto/tls does by default, but that it would resume sessions.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

type credentials struct {
	Cert, Key, Anchors, Host string
}

func (c credentials) config() *tls.Config {
	pair, err := tls.X509KeyPair([]byte(c.Cert), []byte(c.Key))
	if err != nil {
		panic(err)
	}
	anchors := x509.NewCertPool()
	if !anchors.AppendCertsFromPEM([]byte(c.Anchors)) {
		panic("no anchor was read")
	}
	return &tls.Config{
		Certificates:       []tls.Certificate{pair},
		RootCAs:            anchors,
		ServerName:         c.Host,
		ClientCAs:          anchors,
		ClientAuth:         tls.RequireAndVerifyClientCert,
		ClientSessionCache: tls.NewLRUClientSessionCache(8),
	}
}

func state(connection *tls.Conn) string {
	state := connection.ConnectionState()
	return fmt.Sprintf("%s %s resumed=%t", tls.VersionName(state.Version), state.CurveID, state.DidResume)
}

// A connection: what was read, and what it was like; or the error.
func talk(connection *tls.Conn, words string) string {
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(30 * time.Second))
	if err := connection.Handshake(); err != nil {
		return "error: " + err.Error()
	}
	if _, err := io.WriteString(connection, words); err != nil {
		return "error: " + err.Error()
	}
	connection.CloseWrite()
	heard, err := io.ReadAll(connection)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(heard) + " " + state(connection)
}

// connect CREDENTIALS ADDRESS: connects twice; prints a line for each.
func connect(config *tls.Config, address string) {
	for range 2 {
		socket, err := net.Dial("tcp", address)
		if err != nil {
			panic(err)
		}
		fmt.Println(talk(tls.Client(socket, config), "hello"))
	}
}

// listen CREDENTIALS: prints its address, and a line for each of two connections.
func listen(config *tls.Config) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	for range 2 {
		socket, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		fmt.Println(talk(tls.Server(socket, config), "welcome"))
	}
}

func speak(arguments []string) {
	content, err := os.ReadFile(arguments[1])
	if err != nil {
		panic(err)
	}
	var c credentials
	if err := json.Unmarshal(content, &c); err != nil {
		panic(err)
	}
	if arguments[0] == "connect" {
		connect(c.config(), arguments[2])
	} else {
		listen(c.config())
	}
}
