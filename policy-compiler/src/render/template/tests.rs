//! What the chart needs of the language, each with what Go makes of it.

use super::*;

fn data() -> Value {
    let json = r#"{"name":"gate","on":true,"off":false,"empty":{},"ports":[8080,9090],"labels":{"b":"2","a":"1"},"deep":{"er":{"x":7}}}"#;
    Value::of_json(&serde_json::from_str(json).unwrap()).unwrap()
}

fn render(text: &str) -> Result<String, Failure> {
    let mut templates = Templates::default();
    templates.add("t", text)?;
    templates.render("t", &data())
}

#[test]
fn text_and_values() {
    for (template, text) in [
        ("a {{ .name }} b", "a gate b"),
        ("a  {{- .name -}}  \n b", "agateb"),
        ("a {{- /* }} nobody reads this */ -}} b", "ab"),
        ("{{/* x */}}\n-", "\n-"),
        ("{{ .deep.er.x }} {{ $.deep.er.x }} {{ .missing }}.", "7 7 ."),
        (r#"{{ "}}\"" | quote }}"#, r#""}}\"""#),
        ("{{ $x := .deep }}{{ $x.er.x }}{{ (index .ports 1) }}", "79090"),
        ("{{ (dict \"k\" .deep).k.er.x }}", "7"),
    ] {
        assert_eq!(render(template).as_deref(), Ok(text), "{template}");
    }
}

#[test]
fn blocks() {
    for (template, text) in [
        ("{{ if .off }}1{{ else if .on }}2{{ else }}3{{ end }}", "2"),
        ("{{ if .empty }}1{{ else }}{{ with .deep }}{{ .er.x }}{{ $.name }}{{ end }}{{ end }}", "7gate"),
        ("{{ with .off }}1{{ else }}2{{ end }}", "2"),
        ("{{ range .ports }}[{{ . }}]{{ end }}", "[8080][9090]"),
        ("{{ range $at, $port := .ports }}{{ $at }}={{ $port }};{{ end }}", "0=8080;1=9090;"),
        ("{{ range $port := .ports }}{{ $port }};{{ end }}", "8080;9090;"),
        ("{{ range $key, $value := .labels }}{{ $key }}{{ $value }}{{ end }}", "a1b2"),
        ("{{ range .empty }}1{{ else }}2{{ end }}", "2"),
        ("{{ if and .on .off }}1{{ end }}{{ or .off .name }}", "gate"),
        // `or` looks no further than it has to: `.name.x` would fail.
        ("{{ if or .on .name.x }}1{{ end }}", "1"),
        ("{{ define \"d\" }}<{{ . }}>{{ end }}{{ include \"d\" .name }}", "<gate>"),
        (
            "{{ $d := dict }}{{ if .on }}{{ $_ := set $d \"k\" .ports }}{{ end }}{{ toJson $d }}",
            r#"{"k":[8080,9090]}"#,
        ),
    ] {
        assert_eq!(render(template).as_deref(), Ok(text), "{template}");
    }
}

#[test]
fn functions() {
    for (template, text) in [
        (
            "{{ eq .name \"gate\" }}{{ ne .name \"gate\" }}{{ not .empty }}{{ empty .on }}",
            "truefalsetruefalse",
        ),
        ("{{ .missing | default 1 }}{{ .name | default 1 }}", "1gate"),
        ("{{ ternary 1 2 .on }}{{ ternary 1 2 (eq .name \"x\") }}", "12"),
        ("{{ toYaml .labels | nindent 2 }}", "\n  \"a\": \"1\"\n  \"b\": \"2\""),
        ("{{ prepend (list \"a\" \"b\") \"b\" | uniq | toJson }}", r#"["b","a"]"#),
        ("{{ .labels | toJson | fromJson | toYaml }}", "\"a\": \"1\"\n\"b\": \"2\""),
        ("{{ printf \"%s-%d\" .name 3 }}", "gate-3"),
        (
            "{{ .name | trunc 2 }}{{ \"a-\" | trimSuffix \"-\" }}{{ \"oci://x\" | trimPrefix \"oci://\" }}",
            "gaax",
        ),
        ("{{ hasPrefix \"ga\" .name }}{{ .name | replace \"g\" \"l\" }}", "truelate"),
        (
            "{{ semverCompare \">=1.30.0\" \"1.31.0\" }}{{ semverCompare \">=1.30.0\" \"1.9.0\" }}",
            "truefalse",
        ),
        ("{{ add 2 (mul 3 4) }}{{ sub 9 2 }}{{ int64 5 }}", "1475"),
    ] {
        assert_eq!(render(template).as_deref(), Ok(text), "{template}");
    }
}

#[test]
fn what_is_not_known_is_refused() {
    for template in [
        "{{ if .on }}",
        "{{ end }}",
        "{{ else }}",
        "{{ .on",
        "{{ upper .name }}",
        "{{ .name.x }}",
        "{{ $none }}",
        "{{ .ports }}",
        "{{ include \"none\" . }}",
        "{{ define \"d\" }}{{ include \"d\" . }}{{ end }}{{ include \"d\" . }}",
        "{{ eq .name 1 }}",
        "{{ printf \"%v\" .name }}",
        "{{ .name 1 }}",
        "{{ template \"x\" }}",
        "{{ (1 }}",
        "{{ 1) }}",
        "{{ set .deep \"a\" 1 }}",
        "{{ semverCompare \"<1.0.0\" \"1.0.0\" }}",
        "{{ \"a }}",
        "{{ .name | .on }}",
        "{{ add 9223372036854775807 1 }}",
        "{{ define \"t\" }}{{ end }}",
        "{{ range .name }}{{ end }}",
        "{{ nindent 1000 .name }}",
    ] {
        assert!(
            matches!(render(template), Err(Failure::Broken { .. })),
            "{template}: {:?}",
            render(template)
        );
    }
    assert_eq!(render("{{ fail \"no\" }}"), Err(Failure::Refused("no".to_owned())));
}
