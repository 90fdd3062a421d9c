//! Makes `include/pki.h` from the source, and fails where it differs from the tracked one.
//! `make header` writes it.
//!
//! cbindgen can't see into macros, so the functions in `export!` are first written out as the macro
//! makes them; what every function has in common is added to their comments here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use catalyst_pki::ErrorCode;
use quote::{ToTokens, format_ident, quote};
use syn::{
    Attribute, Expr, FnArg, GenericArgument, Item, ItemFn, Lit, Meta, Pat, PathArguments,
    ReturnType, Type,
    buffer::{Cursor, TokenBuffer},
    parse::{Parse, ParseStream},
};

/// In the order of the header.
const FILES: [&str; 24] = [
    "version",
    "text",
    "error",
    "spiffe",
    "csr",
    "config",
    "manager",
    "request",
    "signed",
    "bundle",
    "deny",
    "crl",
    "status",
    "backup",
    "chain",
    "policy",
    "svid",
    "path",
    "token_request",
    "token",
    "token_issuer",
    "token_list",
    "token_verifier",
    "token_claims",
];
const LAST: &str = "log";

#[test]
fn the_header_is_what_the_source_says() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut source = String::new();
    for name in FILES.into_iter().chain([LAST]) {
        let file = crate_folder.join("src").join(name).with_extension("rs");
        source += &written_out(&fs::read_to_string(file).unwrap());
    }
    let expanded = Path::new(env!("CARGO_TARGET_TMPDIR")).join("expanded.rs");
    fs::write(&expanded, source).unwrap();

    let mut made = Vec::new();
    cbindgen::Builder::new()
        .with_config(config())
        .with_src(&expanded)
        .generate()
        .unwrap()
        .write(&mut made);
    let made = String::from_utf8(made).unwrap();

    let header = crate_folder.join("include/pki.h");
    if env::var("CATALYST_UPDATE").is_ok_and(|update| update == "1") {
        fs::write(&header, &made).unwrap();
    }
    let tracked = fs::read_to_string(&header).unwrap();
    assert!(made == tracked, "include/pki.h is not what the source says: run `make header`");
}

/// The source files with their places below `src`.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for entry in fs::read_dir(source.join(folder)).unwrap() {
        let place = folder.join(entry.unwrap().file_name());
        let path = source.join(&place);
        if path.is_dir() {
            files.extend(sources(&place));
        } else {
            files.push((place, fs::read_to_string(path).unwrap()));
        }
    }
    files
}

/// Every file of the source is in the header, so that nothing is exported that no header declares.
#[test]
fn every_file_with_exports_is_in_the_header() {
    let known = FILES.map(|name| Path::new(name).with_extension("rs"));
    for (place, source) in sources(Path::new("")) {
        let exports = source.contains("\nexport! {");
        let known = known.contains(&place) || place == Path::new(LAST).with_extension("rs");
        assert!(known || !exports, "{} is not known to tests/header.rs", place.display());
    }
}

/// No lint can say it of the crate as a whole, as whoever denies a lint may allow it again.
#[test]
fn nothing_is_unsafe_but_the_boundary() {
    let mut unsafe_at_the_boundary = 0;
    for (place, source) in sources(Path::new("")) {
        let words = unsafe_words(&source);
        if place.starts_with("boundary") || place == Path::new("boundary.rs") {
            unsafe_at_the_boundary += words.len();
        } else {
            // Where it is denied.
            let known: &[&str] = if place == Path::new("lib.rs") { &["unsafe_code"] } else { &[] };
            assert_eq!(words, known, "{}", place.display());
        }
    }
    assert!(unsafe_at_the_boundary > 20);
}

#[test]
fn unsafe_words_are_found_wherever_they_stand() {
    let found = |source: &str| unsafe_words(source).len();
    assert_eq!(found("export! { fn pki_x(a: &pki_y) -> u32 { [unsafe { *a.get() }][0] } }"), 1);
    assert_eq!(found("#[allow(unsafe_code)] mod x { unsafe fn f() {} }"), 2);
    assert_eq!(found("/// unsafe\nconst X: &str = \"unsafe\"; // unsafe"), 0);
}

/// The identifiers of a file that have to do with unsafe code, in macros too; none of comments and
/// texts.
fn unsafe_words(source: &str) -> Vec<String> {
    fn collect(mut at: Cursor<'_>, words: &mut Vec<String>) {
        while !at.eof() {
            if let Some((inside, _, _, after)) = at.any_group() {
                collect(inside, words);
                at = after;
            } else if let Some((ident, after)) = at.ident() {
                words.push(ident.to_string());
                at = after;
            } else {
                at = at.token_tree().unwrap().1;
            }
        }
    }
    let mut words = Vec::new();
    collect(TokenBuffer::new2(source.parse().unwrap()).begin(), &mut words);
    words.retain(|word| word.starts_with("unsafe"));
    words
}

fn config() -> cbindgen::Config {
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        cpp_compat: true,
        header: Some(include_str!("header/top.h").trim_end().into()),
        style: cbindgen::Style::Type,
        no_includes: true,
        sys_includes: ["stdbool.h", "stddef.h", "stdint.h", "string.h"].map(str::to_owned).into(),
        after_includes: Some(codes()),
        trailer: Some(include_str!("header/bottom.h").trim_end().into()),
        documentation_style: cbindgen::DocumentationStyle::Doxy,
        usize_is_size_t: true,
        ..cbindgen::Config::default()
    };
    config.function.sort_by = None;
    config
}

/// The codes, from the core's own table.
fn codes() -> String {
    let mut codes = String::from("\n/** Success. */\n#define PKI_OK 0\n");
    for code in ErrorCode::ALL {
        let (text, name, number) = (code.description(), code.c_name(), code.number());
        codes += &format!("\n/** {text} */\n#define {name} {number}\n");
    }
    codes
}

/// What stands in one `export!`.
struct Exports(Vec<ItemFn>);

impl Parse for Exports {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut functions = Vec::new();
        while !input.is_empty() {
            functions.push(input.parse()?);
        }
        Ok(Exports(functions))
    }
}

/// The items of a file that C sees.
fn written_out(source: &str) -> String {
    let mut out = String::new();
    for item in syn::parse_file(source).unwrap().items {
        match item {
            Item::Const(item) if item.ident.to_string().starts_with("PKI_") => {
                out += &item.into_token_stream().to_string();
            }
            Item::Struct(item) if item.ident.to_string().starts_with("pki_") => {
                out += &item.into_token_stream().to_string();
            }
            Item::Type(item) => out += &item.into_token_stream().to_string(),
            Item::Macro(item) if item.mac.path.is_ident("export") => {
                for function in item.mac.parse_body::<Exports>().unwrap().0 {
                    out += &exported(&function);
                }
            }
            _ => {}
        }
        out.push('\n');
    }
    out
}

/// A function as C sees it.
fn exported(function: &ItemFn) -> String {
    let mut docs: Vec<String> = function.attrs.iter().filter_map(doc).collect();
    assert!(!docs.is_empty(), "{} has no comment", function.sig.ident);
    docs.push(String::new());
    let mut params = quote!();
    for argument in &function.sig.inputs {
        let FnArg::Typed(argument) = argument else { panic!("self") };
        let Pat::Ident(pattern) = &*argument.pat else { panic!("a pattern") };
        let name = &pattern.ident;
        let len = format_ident!("{name}_len");
        let (c, said) = match words(&argument.ty).as_str() {
            "& str" => (
                quote!(#name: *const c_char, #len: usize),
                format!("UTF-8, `{len}` bytes; not NULL."),
            ),
            "& [u8]" => {
                (quote!(#name: *const u8, #len: usize), format!("`{len}` bytes; not NULL."))
            }
            "& [& str]" => (
                quote!(#name: *const pki_str, #len: usize),
                format!("`{len}` texts, none of them NULL; may be NULL if there are none."),
            ),
            "& [& [u8]]" => (
                quote!(#name: *const pki_bytes, #len: usize),
                format!("`{len}` byte strings, none of them NULL; may be NULL if there are none."),
            ),
            "UserData" => {
                (quote!(#name: *mut c_void), "Given to the callback; may be NULL.".into())
            }
            text => match (&*argument.ty, inner(&argument.ty)) {
                (Type::Reference(reference), _) => {
                    let of = &reference.elem;
                    match reference.mutability {
                        Some(_) => (quote!(#name: *mut #of), "Not NULL.".into()),
                        None => (quote!(#name: *const #of), "Not NULL.".into()),
                    }
                }
                (_, Some(("Option", Type::Reference(reference)))) => {
                    let of = &reference.elem;
                    (quote!(#name: *const #of), "May be NULL.".into())
                }
                (_, Some(("Struct", of))) => (quote!(#name: *const #of), "Not NULL.".into()),
                (_, Some(("Freed", of))) => {
                    (quote!(#name: *mut #of), "May be NULL. Not to be used any more.".into())
                }
                (of, None) => (quote!(#name: #of), String::new()),
                _ => panic!("{text}: a kind of parameter that is not known here"),
            },
        };
        params.extend(quote!(#c,));
        if !said.is_empty() {
            docs.push(format!(" @param {name} {said}"));
        }
    }
    let returned = match &function.sig.output {
        ReturnType::Default => quote!(),
        ReturnType::Type(_, kind) => {
            let fallible = match inner(kind) {
                Some(("New" | "OptionalNew", of)) => {
                    params.extend(quote!(out: *mut *mut #of,));
                    let free = format!("{}_free", words(of));
                    let null =
                        if words(kind).starts_with("New") { "Not NULL" } else { "May be NULL" };
                    docs.push(format!(" @param out {null}. The new handle, to be freed by `{free}`; written on success only."));
                    true
                }
                Some(("OptionalValue", of)) => {
                    params.extend(quote!(out: *mut #of,));
                    docs.push(" @param out May be NULL. Written on success only.".into());
                    true
                }
                _ => words(kind) == "Done",
            };
            if fallible {
                params.extend(quote!(error: *mut *mut pki_error,));
                docs.push(" @param error May be NULL. What went wrong, to be freed by `pki_error_free`; written on failure only.".into());
                docs.push(" @return `PKI_OK` or a `PKI_ERR_…`.".into());
                quote!(-> pki_result)
            } else {
                quote!(-> #kind)
            }
        }
    };
    if docs.last().is_some_and(String::is_empty) {
        docs.pop();
    }
    let name = &function.sig.ident;
    quote!(#(#[doc = #docs])* #[unsafe(no_mangle)] pub unsafe extern "C" fn #name(#params) #returned {})
        .to_string()
}

fn doc(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(value) = &attribute.meta else { return None };
    let Expr::Lit(literal) = &value.value else { return None };
    let Lit::Str(text) = &literal.lit else { return None };
    value.path.is_ident("doc").then(|| text.value())
}

fn words(kind: &Type) -> String {
    kind.to_token_stream().to_string()
}

/// The outer word and the type in its angle brackets.
fn inner(kind: &Type) -> Option<(&'static str, &Type)> {
    let Type::Path(path) = kind else { return None };
    let segment = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    let Some(GenericArgument::Type(of)) = arguments.args.first() else { return None };
    ["New", "OptionalNew", "OptionalValue", "Option", "Struct", "Freed"]
        .into_iter()
        .find(|word| segment.ident == word)
        .map(|word| (word, of))
}
