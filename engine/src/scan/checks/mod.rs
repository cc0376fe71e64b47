//! What must hold of a value beyond its form: check digits, ranges that an issuer uses, structure.
//!
//! Every check is total: it takes any bytes, and its work is bounded by their number. Separators that a format is written with
//! are part of the value; each check strips its own.

mod banking;
mod calendar;
mod cards;
mod coins;
mod contact;
mod digits;
mod europe;
mod keccak;
mod nordic;
mod north_america;
mod tokens;
mod world;

use serde::{Deserialize, Serialize};

/// Defines [`Check`] from one table, so that a check, its name, its documentation and its code cannot drift apart.
macro_rules! checks {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $accepts:expr;)+) => {
        /// A check of a value. The order is that of the table, and part of the bundle's format: new ones go to the end.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
        pub enum Check {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Check {
            /// Every check, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in detector files.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What the check holds a value to, for documentation.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }

            /// Whether the value passes.
            pub fn accepts(self, value: &[u8]) -> bool {
                match self { $(Self::$variant => $accepts(value),)+ }
            }
        }
    };
}

checks! {
    /// The Luhn check digit (ISO/IEC 7812-1 annex B) over all digits; single spaces, dashes and dots between them are left out.
    Luhn = "luhn", cards::is_luhn;
    /// A payment card number: a prefix that a card network uses, of a length it uses, with the Luhn digit, grouped as cards are.
    PaymentCard = "payment-card", cards::is_payment_card;
    /// The magnetic stripe of a payment card, track 1 or 2 (ISO/IEC 7813): a card number and an expiry date.
    CardTrack = "card-track", cards::is_track;
    /// An international bank account number: the length of its country (ISO 13616) and the check digits (ISO 7064 mod 97-10).
    Iban = "iban", banking::is_iban;
    /// A United States routing number: the Federal Reserve's prefixes and the 3-7-1 check digit.
    Aba = "aba", banking::is_aba;
    /// A business identifier code (ISO 9362) whose fifth and sixth letters are a country (ISO 3166).
    SwiftBic = "swift-bic", banking::is_bic;
    /// A United States social security number in a range that is issued, and none of the published samples.
    Ssn = "ssn", north_america::is_ssn;
    /// A United States individual taxpayer number, in the ranges that are issued.
    Itin = "itin", north_america::is_itin;
    /// A United States national provider identifier: the Luhn digit, counted with the prefix 80840.
    Npi = "npi", north_america::is_npi;
    /// A registration number of the United States Drug Enforcement Administration, with its check digit.
    Dea = "dea", north_america::is_dea;
    /// A Canadian social insurance number in a range that is issued, with its Luhn digit.
    CaSin = "ca-sin", north_america::is_sin;
    /// A telephone number of the North American plan: area code and exchange that can exist, not the fictional 555-01xx.
    PhoneNanp = "phone-nanp", contact::is_nanp;
    /// A British National Health Service number (mod 11).
    Nhs = "nhs", europe::is_nhs;
    /// A British national insurance number: a prefix and a suffix that are issued.
    Nino = "nino", europe::is_nino;
    /// A Spanish tax number of a person (NIF, NIE), with its control letter (mod 23).
    EsNif = "es-nif", europe::is_nif;
    /// An Italian fiscal code, with its control letter; also with letters for digits (omocodia).
    ItFiscalCode = "it-fiscal-code", europe::is_fiscal_code;
    /// A German tax identification number: ISO 7064 mod 11,10 and exactly one digit that repeats.
    DeTaxId = "de-tax-id", europe::is_de_tax_id;
    /// A French registration number (NIR), with its key (mod 97); Corsica's 2A and 2B are known.
    FrNir = "fr-nir", europe::is_nir;
    /// A Polish PESEL: a date of birth and the check digit.
    PlPesel = "pl-pesel", europe::is_pesel;
    /// A Dutch citizen service number (BSN), by the eleven test.
    NlBsn = "nl-bsn", europe::is_bsn;
    /// A Swedish personal or coordination number: a date of birth and the Luhn digit.
    SePersonnummer = "se-personnummer", nordic::is_personnummer;
    /// A Finnish personal identity code: a date of birth and the control character (mod 31).
    FiHetu = "fi-hetu", nordic::is_hetu;
    /// The Verhoeff check digit over all digits.
    Verhoeff = "verhoeff", world::is_verhoeff;
    /// An Indian Aadhaar number: twelve digits that start at 2 and are no palindrome, with the Verhoeff digit.
    Aadhaar = "aadhaar", world::is_aadhaar;
    /// An Indian permanent account number: a kind of holder that exists, and no 0000.
    InPan = "in-pan", world::is_pan;
    /// An Australian tax file number (mod 11).
    AuTfn = "au-tfn", world::is_tfn;
    /// An Australian business number (mod 89).
    AuAbn = "au-abn", world::is_abn;
    /// An Australian Medicare number, with or without the reference number of the person.
    AuMedicare = "au-medicare", world::is_medicare;
    /// A Brazilian CPF, with both check digits.
    BrCpf = "br-cpf", world::is_cpf;
    /// A Brazilian CNPJ, with both check digits; also in letters and digits, as issued since 2026.
    BrCnpj = "br-cnpj", world::is_cnpj;
    /// A Chinese resident identity number: a region, a date of birth and the check digit (ISO 7064 mod 11-2).
    CnResidentId = "cn-resident-id", world::is_cn_resident_id;
    /// A Singaporean NRIC or FIN, with its check letter.
    SgNric = "sg-nric", world::is_nric;
    /// A South Korean resident registration number: a date of birth and the check digit. Since October 2020 the last digits
    /// are random, so that of whoever was born later only the date is checked.
    KrRrn = "kr-rrn", world::is_rrn;
    /// A South African identity number: a date of birth, citizenship and the Luhn digit.
    ZaId = "za-id", world::is_za_id;
    /// A vehicle identification number with its check digit, as North America requires it.
    Vin = "vin", contact::is_vin;
    /// Base58 with a checksum of four bytes, as Bitcoin writes it, whatever it holds.
    Base58Check = "base58check", coins::is_base58check;
    /// A Bitcoin address in base58check: version 0 or 5 and a hash of 20 bytes.
    BtcAddress = "btc-address", coins::is_btc_address;
    /// A Bitcoin private key in wallet import format: version 128 and 32 bytes.
    BtcWif = "btc-wif", coins::is_btc_wif;
    /// An extended private key of a Bitcoin wallet (BIP 32, `xprv`).
    BtcXprv = "btc-xprv", coins::is_btc_xprv;
    /// Bech32 or Bech32m with its checksum (BIP 173, BIP 350), whatever its prefix.
    Bech32 = "bech32", coins::is_bech32;
    /// An Ethereum address: 20 bytes in hex; in mixed case only with the checksum of EIP-55.
    Eip55 = "eip55", coins::is_eip55;
    /// The checksum of GitHub's and npm's tokens: after the last `_`, the last six characters are the CRC-32 of the others in base62.
    Crc32Base62 = "crc32-base62", tokens::is_crc32_base62;
    /// A JSON Web Token: three parts in base64url, of which the first is a JSON object with `alg`.
    Jwt = "jwt", tokens::is_jwt;
    /// Base64, standard or URL-safe, that decodes without a rest.
    Base64 = "base64", tokens::is_base64;
    /// Base64 of exactly 32 bytes.
    Base64Of32 = "base64-32", tokens::is_base64_of_32;
    /// Base64 of exactly 64 bytes, as an Azure storage key is.
    Base64Of64 = "base64-64", tokens::is_base64_of_64;
    /// Anything but a UUID.
    UuidNot = "uuid-not", tokens::is_no_uuid;
    /// A date of the calendar between 1850 and 2100: `yyyy-mm-dd`, `d/m/yyyy` or `m/d/yyyy`.
    Date = "date", calendar::is_date_text;
    /// An international telephone number (E.164): an assigned country code, 8 to 15 digits.
    PhoneE164 = "phone-e164", contact::is_e164;
    /// An IPv4 address of the public internet.
    PublicIpv4 = "public-ipv4", contact::is_public_ipv4;
    /// An IPv4 address that is not of the public internet: private, loopback, link-local, reserved.
    PrivateIpv4 = "private-ipv4", contact::is_private_ipv4;
    /// An IPv6 address, but `::`.
    Ipv6 = "ipv6", contact::is_ipv6;
    /// A MAC address, but the broadcast address and zero.
    Mac = "mac", contact::is_mac;
    /// A password as people choose one: 7 to 64 characters, among them a letter, and a sign or a digit. No path, no name of something in
    /// a program, no version.
    ChosenPassword = "chosen-password", tokens::is_chosen;
}

impl Check {
    /// The check of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|check| check.name() == name)
    }
}

#[cfg(test)]
mod tests;
