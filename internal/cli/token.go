package cli

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/spf13/cobra"

	"facestream/internal/allinone"
	"facestream/internal/config"
	"facestream/internal/gateway/auth"
)

func tokenCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Let programs call the gateway: tokens with an end, or fixed keys",
		Long: "A token or key says which operations a program may ask for, and about which collections. The gateway takes tokens that\n" +
			"are signed by the key of gateway.auth.signing_key, by default gateway.key in the data folder, which these commands make\n" +
			"where it is missing.",
		Example: "  facestream token issue --subject door-1 --operations predict --collections staff --ttl 24h\n  facestream token key --name kiosk --operations 'enroll,verify' --collections 'visitors-*'",
	}
	c.AddCommand(tokenIssueCommand(), tokenKeyCommand(), tokenKeysCommand())
	return c
}

// grantFlags are what a token or a key allows.
type grantFlags struct{ operations, collections, objects string }

func (g *grantFlags) bind(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&g.operations, "operations", "", "operations that it allows, separated by commas; * stands for any characters")
	f.StringVar(&g.collections, "collections", "", "collections that it allows, likewise")
	f.StringVar(&g.objects, "objects", "", "objects that may be named as images, as bucket/key, likewise; none: images are sent")
}

func (g *grantFlags) caller() auth.Caller {
	list := func(text string) (out []string) {
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
		return out
	}
	return auth.Caller{Operations: list(g.operations), Collections: list(g.collections), Objects: list(g.objects)}
}

// signingKey is the key of the settings, which is made where it is missing.
func signingKey(cfg config.Config) (*jose.JSONWebKey, error) {
	return auth.EnsureSigningKey(cmp.Or(cfg.Gateway.Auth.SigningKey, allinone.OwnSigningKey(cfg)))
}

// issued is what token issue prints with --json.
type issued struct {
	Token   string    `json:"token"`
	Subject string    `json:"subject"`
	Expires time.Time `json:"expires"`
}

func tokenIssueCommand() *cobra.Command {
	var g grantFlags
	var subject, ttl string
	var operator, asJSON bool
	c := &cobra.Command{
		Use:     "issue",
		Short:   "Print a token",
		Long:    "issue prints a token that the gateway takes until its time to live is over. It cannot be taken back before; to be rid of\nall tokens, remove the signing key, and start the gateways again.",
		Example: "  facestream token issue --subject door-1 --operations predict --collections staff --ttl 24h",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			life, err := config.ParseDuration(ttl)
			if err != nil {
				return &exitError{exitUsage, fmt.Errorf("--ttl: %w", err)}
			}
			grant := auth.Grant{Subject: subject, Caller: g.caller(), TTL: life}
			grant.Operator = operator
			key, err := signingKey(cfg)
			if err != nil {
				return err
			}
			now := time.Now()
			token, err := auth.Mint(key, cfg.Gateway.Auth.Audience, grant, now)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), issued{token, subject, now.Add(life).UTC().Truncate(time.Second)})
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), token)
			return err
		},
	}
	g.bind(c)
	f := c.Flags()
	f.StringVar(&subject, "subject", "", "who it is for; limits and repeats are counted by it")
	f.StringVar(&ttl, "ttl", "1h", "how long it is taken, such as 24h or 30d")
	f.BoolVar(&operator, "operator", false, "let its bearer see and replay dead letters")
	f.BoolVar(&asJSON, "json", false, "as one JSON document")
	_ = c.MarkFlagRequired("subject")
	return c
}

// newKey is what token key prints with --json.
type newKey struct {
	Key   string        `json:"key"`
	Entry config.APIKey `json:"entry"`
}

func tokenKeyCommand() *cobra.Command {
	var g grantFlags
	var name string
	var asJSON bool
	c := &cobra.Command{
		Use:     "key",
		Short:   "Make a fixed key, and the entry of gateway.auth.api_keys that takes it",
		Long:    "key prints a new random key and the entry of the settings that lets its bearer in. The entry holds a hash: the key itself\nis kept nowhere. Without an entry it is worth nothing.",
		Example: "  facestream token key --name kiosk --operations 'enroll,verify' --collections 'visitors-*'",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			who := g.caller()
			if len(who.Operations) == 0 {
				return &exitError{exitUsage, fmt.Errorf("--operations: the key allows no operation")}
			}
			key := rand.Text() + rand.Text() // more than 256 random bits
			sum := sha256.Sum256([]byte(key))
			entry := config.APIKey{Name: name, SHA256: hex.EncodeToString(sum[:]), Operations: who.Operations, Collections: who.Collections, Objects: who.Objects}
			if asJSON {
				return printJSON(c.OutOrStdout(), newKey{key, entry})
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n\ngateway:\n  auth:\n    api_keys:\n    - name: %q\n      sha256: %s\n%s", key, name, entry.SHA256,
				lists("operations", who.Operations)+lists("collections", who.Collections)+lists("objects", who.Objects))
			return err
		},
	}
	g.bind(c)
	c.Flags().StringVar(&name, "name", "", "name of the caller")
	c.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	_ = c.MarkFlagRequired("name")
	return c
}

// lists is a list of an entry in YAML; "" for an empty one.
func lists(name string, values []string) string {
	if len(values) == 0 {
		return ""
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = fmt.Sprintf("%q", v)
	}
	return fmt.Sprintf("      %s: [%s]\n", name, strings.Join(quoted, ", "))
}

func tokenKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "keys",
		Short:   "Print the public key of the tokens as a JSON Web Key Set",
		Long:    "keys prints what gateways on other machines need to take the tokens of this one: save it there, and name the file in\ngateway.auth.jwks. The private key stays here.",
		Example: "  facestream token keys",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			key, err := signingKey(cfg)
			if err != nil {
				return err
			}
			return printJSON(c.OutOrStdout(), jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
		},
	}
}
