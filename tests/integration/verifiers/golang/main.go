// Asks golang.org/x/mod/sumdb, the code of the Go checksum database, the questions of a JSON list on standard input, and
// answers with a JSON list of {accepted, reason}. The type of cosignatures is not in that library: its Verifier is here.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Kind         string   `json:"kind"`
	Origin       string   `json:"origin"`
	LogKeys      []string `json:"log_keys"`
	CosignerKeys []string `json:"cosigner_keys"`
	Quorum       int      `json:"quorum"`
	Note         string   `json:"note"`
	Older        string   `json:"older"`
	Entry        string   `json:"entry"`
	Index        int64    `json:"index"`
	Path         []string `json:"path"`
}

type answer struct {
	Accepted bool   `json:"accepted"`
	Reason   string `json:"reason"`
}

// A cosigner verifies signatures of type 0x04 (https://c2sp.org/tlog-cosignature).
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(c.key, []byte(message), signature[8:])
}

func newCosigner(vkey string) (cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return cosigner{}, errors.New("no vkey")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return cosigner{}, errors.New("no key of a cosigner")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil || binary.BigEndian.Uint32(sum[:]) != uint32(hash) {
		return cosigner{}, errors.New("another key id")
	}
	return cosigner{parts[0], uint32(hash), key[1:]}, nil
}

func hashOf(text string) (hash tlog.Hash, err error) {
	content, err := base64.StdEncoding.DecodeString(text)
	if err == nil && copy(hash[:], content) != len(content) {
		err = errors.New("no hash")
	}
	return hash, err
}

// open verifies a checkpoint: signed by a log, and cosigned by a quorum.
func (q question) open(text string) (size int64, root tlog.Hash, err error) {
	var verifiers []note.Verifier
	isLog := map[uint32]bool{}
	for _, vkey := range q.LogKeys {
		verifier, err := note.NewVerifier(vkey)
		if err != nil {
			return 0, root, err
		}
		isLog[verifier.KeyHash()] = true
		verifiers = append(verifiers, verifier)
	}
	for _, vkey := range q.CosignerKeys {
		verifier, err := newCosigner(vkey)
		if err != nil {
			return 0, root, err
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifiers...))
	if err != nil {
		return 0, root, err
	}
	logs, cosigners := 0, 0
	for _, signature := range opened.Sigs {
		if isLog[signature.Hash] && signature.Name == q.Origin {
			logs++
		} else {
			cosigners++
		}
	}
	if logs == 0 || cosigners < q.Quorum {
		return 0, root, fmt.Errorf("signed by %d logs and %d cosigners", logs, cosigners)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != q.Origin {
		return 0, root, errors.New("no checkpoint of this log")
	}
	if size, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return 0, root, err
	}
	root, err = hashOf(lines[2])
	return size, root, err
}

func (q question) check() error {
	size, root, err := q.open(q.Note)
	if err != nil {
		return err
	}
	var path []tlog.Hash
	for _, item := range q.Path {
		hash, err := hashOf(item)
		if err != nil {
			return err
		}
		path = append(path, hash)
	}
	if q.Kind == "consistency" {
		olderSize, olderRoot, err := q.open(q.Older)
		if err != nil {
			return err
		}
		return tlog.CheckTree(path, size, root, olderSize, olderRoot)
	}
	entry, err := base64.StdEncoding.DecodeString(q.Entry)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, size, root, q.Index, tlog.RecordHash(entry))
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		panic(err)
	}
	answers := []answer{}
	for _, question := range questions {
		if err := question.check(); err != nil {
			answers = append(answers, answer{false, err.Error()})
		} else {
			answers = append(answers, answer{true, ""})
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
