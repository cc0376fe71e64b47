// Go's encoding/json. Argument: float64 (numbers as the package reads them), number (numbers kept as text and rounded from
// exact fractions, so by another routine), or struct (an MCP message decoded into structures, as servers do).
//
// src/parser.rs says what is read and written, src/canonical.rs and src/operation.rs what the canonical forms are.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"runtime"
	"sort"
	"strings"
)

func main() {
	read := map[string]func([]byte) ([]byte, error){"float64": float, "number": number, "struct": structure}[os.Args[1]]
	show := os.Args[len(os.Args)-1] == "show"
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriterSize(os.Stdout, 1<<20)
	fmt.Fprintf(out, "Go %s encoding/json, %s\n", strings.TrimPrefix(runtime.Version(), "go"), os.Args[1])
	must(out.Flush())
	for {
		var count, length uint32
		if err := binary.Read(in, binary.BigEndian, &count); errors.Is(err, io.EOF) {
			return
		}
		for ; count > 0; count-- {
			must(binary.Read(in, binary.BigEndian, &length))
			body := make([]byte, length)
			_, err := io.ReadFull(in, body)
			must(err)
			fmt.Fprintln(out, answer(read, body, show))
		}
		must(out.Flush())
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer(read func([]byte) ([]byte, error), body []byte, show bool) string {
	form, err := read(body)
	if err != nil {
		return fmt.Sprintf("- %.78s", fmt.Sprintf("%+q", err.Error()))
	}
	if show {
		return hex.EncodeToString(form)
	}
	digest := sha256.Sum256(form)
	return hex.EncodeToString(digest[:])
}

func float(body []byte) ([]byte, error) {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return nil, err
	}
	var form bytes.Buffer
	err := write(&form, value)
	return form.Bytes(), err
}

func number(body []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("bytes after the value")
	}
	var form bytes.Buffer
	err := write(&form, value)
	return form.Bytes(), err
}

// What a server declares. The package takes a member for a field whose name it equals when case is folded.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  struct {
		Name      string          `json:"name"`
		URI       string          `json:"uri"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

func structure(body []byte) ([]byte, error) {
	var received message
	if err := json.Unmarshal(body, &received); err != nil {
		return nil, err
	}
	var form bytes.Buffer
	text := func(text string) { fmt.Fprintf(&form, "s%d:%s", len(text), text) }
	text(received.Method)
	switch received.Method {
	case "tools/call", "prompts/get":
		text(received.Params.Name)
		if received.Params.Arguments == nil {
			form.WriteByte('n')
			break
		}
		arguments, err := number(received.Params.Arguments)
		form.Write(arguments)
		return form.Bytes(), err
	case "resources/read", "resources/subscribe", "resources/unsubscribe":
		text(received.Params.URI)
	}
	return form.Bytes(), nil
}

func write(form *bytes.Buffer, value any) error {
	switch value := value.(type) {
	case nil:
		form.WriteByte('n')
	case bool:
		form.WriteByte(map[bool]byte{true: 't', false: 'f'}[value])
	case float64:
		fmt.Fprintf(form, "d%016x", math.Float64bits(value))
	case json.Number:
		return exact(form, string(value))
	case string:
		fmt.Fprintf(form, "s%d:%s", len(value), value)
	case []any:
		fmt.Fprintf(form, "a%d:", len(value))
		for _, item := range value {
			if err := write(form, item); err != nil {
				return err
			}
		}
	case map[string]any:
		keys := make([]string, 0, len(value))
		for key := range value {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		fmt.Fprintf(form, "o%d:", len(keys))
		for _, key := range keys {
			fmt.Fprintf(form, "s%d:%s", len(key), key)
			if err := write(form, value[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

// exact rounds a number from the fraction that it is.
func exact(form *bytes.Buffer, text string) error {
	fraction, ok := new(big.Rat).SetString(text)
	if !ok {
		return fmt.Errorf("%.40s is no fraction", text)
	}
	nearest, _ := fraction.Float64()
	// A fraction has no negative zero.
	if nearest == 0 && strings.HasPrefix(text, "-") {
		nearest = math.Copysign(0, -1)
	}
	fmt.Fprintf(form, "d%016x", math.Float64bits(nearest))
	return nil
}
