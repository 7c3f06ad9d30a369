// Package document finds identity documents in a picture, straightens them and judges how they are shown.
//
// All of its parts are safe for concurrent use. A network that fails is an error; a picture without a document is an answer.
package document
