//! Credentials that their issuers gave a recognisable form.

use super::{ALNUM, BuiltIn, Piece, TOKEN};
use sallyport_engine::scan::Action;

/// Base32 of RFC 4648.
const BASE32: &[(u8, u8)] = &[(b'A', b'Z'), (b'2', b'7')];
const DIGITS: &[(u8, u8)] = &[(b'0', b'9')];
const BASE64: &[(u8, u8)] = &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z'), (b'+', b'+'), (b'/', b'/')];
/// More than any of these tokens has; a run has to end somewhere.
const MOST: u16 = 512;

pub(super) const PACK: &[BuiltIn] = &[
    BuiltIn {
        id: "anthropic-api-key",
        doc: "An Anthropic API key: `sk-ant-`, a kind, and a long token.",
        action: Action::Block,
        anchors: &["sk-ant-"],
        then: &[Piece::Run(TOKEN, 84, MOST)],
        whole_word: true,
        min_entropy: 48,
        finds: &[&[
            "sk-ant-",
            "api03-",
            "q7Zp2Lx9Vb4Nc8Md1Ks6Jh3Gf5Td0Rw",
            "Ey7Uu2Ii9Oo4Pp8Aa1Ss6Dd3Ff5Gg0Hh",
            "7Jj2Kk9Ll4Zz8Xx1Cc6VvAA",
        ]],
        passes: &[&["sk-ant-", "api03-your-key"], &["sk-ant-"]],
    },
    BuiltIn {
        id: "aws-access-key-id",
        doc: "An AWS access key ID, long-term (`AKIA`) or temporary (`ASIA`): four letters and sixteen of base32.",
        action: Action::Block,
        anchors: &["AKIA", "ASIA", "ABIA", "ACCA"],
        then: &[Piece::Run(BASE32, 16, 16)],
        whole_word: true,
        min_entropy: 32,
        finds: &[&["AK", "IAZ3QX7NBTM2VKLR5D"], &["AS", "IAY6WPHJ4UGCS2EOQF"]],
        passes: &[
            &["AK", "IAZ3QX7NBTM2VKLR5"],
            &["AK", "IAZ3QX7NBTM2VKLR5DX"],
            &["xAK", "IAZ3QX7NBTM2VKLR5D"],
            &["AK", "IAAAAAAAAAAAAAAAAA"],
            &["ak", "iaz3qx7nbtm2vklr5d"],
        ],
    },
    BuiltIn {
        id: "gcp-api-key",
        doc: "A Google API key: `AIza` and thirty-five of a token's alphabet.",
        action: Action::Block,
        anchors: &["AIza"],
        then: &[Piece::Run(TOKEN, 35, 35)],
        whole_word: true,
        min_entropy: 48,
        finds: &[&["AI", "zaQ7Zp2Lx9Vb4Nc8Md1Ks6Jh3Gf5Td0RwEy7U"]],
        passes: &[
            &["AI", "zaQ7Zp2Lx9Vb4Nc8Md1Ks6Jh3Gf5Td0RwEy7"],
            &["AI", "zaxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
        ],
    },
    BuiltIn {
        id: "github-token",
        doc: "A GitHub token: `ghp_` for a person, `gho_`, `ghu_`, `ghs_`, `ghr_` for apps, and at least thirty-six characters.",
        action: Action::Block,
        anchors: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        then: &[Piece::Run(ALNUM, 36, 255)],
        whole_word: true,
        min_entropy: 48,
        finds: &[&["gh", "p_q7Zp2Lx9Vb4Nc8Md1Ks6Jh3Gf5Td0RwEy7Uu"]],
        passes: &[&["gh", "p_q7Zp2Lx9Vb4Nc8"], &["gh", "p_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]],
    },
    BuiltIn {
        id: "private-key-pem",
        doc: "The body of a private key in PEM (RFC 7468), of any algorithm.",
        action: Action::Block,
        anchors: &["PRIVATE KEY-----"],
        then: &[
            Piece::Run(&[(b'\n', b'\n'), (b'\r', b'\r'), (b' ', b' ')], 0, 4),
            Piece::Run(BASE64, 40, MOST),
        ],
        whole_word: false,
        min_entropy: 48,
        finds: &[&[
            "-----BEGIN ",
            "PRIVATE KEY-----\n",
            "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g",
        ]],
        passes: &[&["-----END ", "PRIVATE KEY-----\n"], &["-----BEGIN ", "PRIVATE KEY-----\n..."]],
    },
    BuiltIn {
        id: "slack-token",
        doc: "A Slack bot, user or app token: `xoxb-` and its kin, a workspace number, and a token.",
        action: Action::Block,
        anchors: &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-"],
        then: &[Piece::Run(DIGITS, 10, 14), Piece::Text("-"), Piece::Run(TOKEN, 20, MOST)],
        whole_word: true,
        min_entropy: 40,
        finds: &[&["xox", "b-2147483648-2147483648-q7Zp2Lx9Vb4Nc8Md1Ks6Jh3G"]],
        passes: &[&["xox", "b-your-token-here"], &["xox", "b-2147483648"]],
    },
    BuiltIn {
        id: "stripe-secret-key",
        doc: "A Stripe secret or restricted key for live use.",
        action: Action::Block,
        anchors: &["sk_live_", "rk_live_"],
        then: &[Piece::Run(ALNUM, 16, 255)],
        whole_word: true,
        min_entropy: 40,
        finds: &[&["sk_", "live_q7Zp2Lx9Vb4Nc8Md1Ks6Jh3G"]],
        passes: &[&["sk_", "live_short"], &["sk_", "test_q7Zp2Lx9Vb4Nc8Md1Ks6Jh3G"]],
    },
];
