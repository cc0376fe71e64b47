use std::collections::BTreeSet;

use super::*;

#[test]
fn every_file_reads_and_is_where_it_belongs() {
    let mut out = Diagnostics::default();
    let library = read(Some(&tables().catalogue), &mut out);
    let mut sources = Sources::default();
    for (name, text) in FILES {
        sources.add(*name, *text);
    }
    let wrong: Vec<String> = out
        .sorted()
        .into_iter()
        .map(|of| format!("{}:{} {}", sources.name(of.span.file), sources.position(of.span).line, of.message))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let ids: Vec<&str> =
        library.packs.iter().flat_map(|pack| &pack.detectors).map(|of| of.id.as_str()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "two detectors share an id");
    for pack in &library.packs {
        assert!(!pack.doc.is_empty(), "{} is not described", pack.id);
        for of in &pack.detectors {
            assert!(
                FILES.iter().any(|(name, _)| *name == format!("{}/{}.yaml", pack.id, of.id)),
                "{}",
                of.id
            );
        }
    }
}

#[test]
fn every_sample_behaves() {
    let library = library();
    let mut wrong = Vec::new();
    for (definition, _) in library.detectors() {
        if !matches!(definition.finder, Finder::Pattern(_)) {
            continue;
        }
        for (at, what) in failures(definition, &tables().catalogue) {
            let texts = definition.matches.iter().chain(&definition.misses);
            let number = texts.clone().position(|(_, span)| *span == at).unwrap_or(0);
            wrong.push(format!("{what} ({})", number + 1));
        }
    }
    assert!(wrong.is_empty(), "{} of samples:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_tables_stay_within_their_budget() {
    let bytes = tables().catalogue.table_bytes();
    println!("{bytes} bytes");
    assert!(bytes <= 512 * 1024, "{bytes}");
}

/// Run with `SALLYPORT_UPDATE=1`, it writes them anew.
#[test]
fn the_compiled_tables_are_those_of_the_files() {
    let fresh = read(None, &mut Diagnostics::default()).compile(&Pack::custom(Vec::new())).unwrap();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("detectors/tables.bin");
    if std::env::var_os("SALLYPORT_UPDATE").is_some() {
        std::fs::write(path, postcard::to_allocvec(&fresh).unwrap()).unwrap();
        return;
    }
    assert!(
        fresh == *tables(),
        "run `SALLYPORT_UPDATE=1 cargo test -p policy-compiler detectors`, then build again"
    );
}
