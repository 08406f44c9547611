//! One test for each client in `interop/`, in the order of the alphabet.

use crate::run;

macro_rules! clients {
    ($($module:ident = $folder:literal,)*) => {
        const CLIENTS: &[&str] = &[$($folder),*];
        $(mod $module {
            #[test]
            fn needs_no_change() {
                super::run::needs_no_change($folder);
            }
        })*
    };
}

clients! {
    cpp = "cpp",
    curl = "curl",
    expiry_script = "expiry-script",
    flink = "flink",
    go = "go",
    go_oldest = "go-oldest",
    java = "java",
    java_simpleclient = "java-simpleclient",
    java_simpleclient_oldest = "java-simpleclient-oldest",
    micrometer = "micrometer",
    node = "node",
    python = "python",
    python_requests = "python-requests",
    raw_requests = "raw-requests",
    ruby = "ruby",
    rust = "rust",
    spring_boot = "spring-boot",
    wget = "wget",
}

#[test]
fn every_folder_has_its_test() {
    assert_eq!(run::clients(), CLIENTS);
}
