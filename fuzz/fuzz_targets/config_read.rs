//! Any configuration file is read or refused with a text, within bounded memory.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wharf_fuzz::within_times;
use wharf_model::name::NameRule;

/// What a file may come to by names for parts of it, and what its expressions are compiled to.
const READ: usize = 32 << 20;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| wharf_fuzz::folder().join("wharf.yml"));

fuzz_target!(|contents: &[u8]| {
    fs::write(&*FILE, contents).expect("write the file");
    for names in [NameRule::Legacy, NameRule::Utf8] {
        let read = || wharf::config_file::read(&FILE, names);
        if let Err(error) = within_times(contents.len(), 256, READ, read) {
            assert!(error.to_string().starts_with(&*FILE.to_string_lossy()), "{error}");
        }
    }
});
