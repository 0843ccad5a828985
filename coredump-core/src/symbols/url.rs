//! The local files that a URL in a module may mean. Nothing is ever fetched.

/// The names of local files that a URL may mean, the likeliest first: the text as it is, since tools write plain paths
/// there too; then the path of the URL, percent-decoded, without query and fragment (RFC 3986, 3). For a URL on a
/// network only the last part of the path is used.
pub(super) fn local_names(url: &str) -> Vec<String> {
    let (scheme, rest) = split_scheme(url);
    let path = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    let decoded = |path: &str| String::from_utf8_lossy(&unescaped(path)).into_owned();
    let mut names = match scheme {
        None => vec![url.to_owned(), decoded(path)],
        // A host may follow the slashes: it is taken for this machine.
        Some(scheme) if scheme.eq_ignore_ascii_case("file") => {
            let local = |path: &str| path.strip_prefix("localhost").map_or(path.to_owned(), str::to_owned);
            vec![local(rest), decoded(&local(path))]
        }
        Some(_) => {
            let last = path.rsplit('/').next().unwrap_or_default();
            vec![last.to_owned(), decoded(last)]
        }
    };
    names.retain(|name| !name.is_empty());
    names.dedup();
    names
}

/// Returns true if a URL names a file on another machine.
pub(super) fn is_remote(url: &str) -> bool {
    split_scheme(url).0.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("file"))
}

/// The scheme, and what follows `://`.
fn split_scheme(url: &str) -> (Option<&str>, &str) {
    let is_scheme = |text: &str| {
        let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(rest)
    };
    match url.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => (None, url),
    }
}

/// Decodes percent encoding.
pub(super) fn unescaped(text: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_means_the_file_of_its_last_part_and_a_path_itself() {
        assert_eq!(local_names("dist/app.wasm"), ["dist/app.wasm"]);
        assert_eq!(local_names("C:\\out\\app.wasm"), ["C:\\out\\app.wasm"]);
        assert_eq!(local_names("app.wasm?v=3"), ["app.wasm?v=3", "app.wasm"]);
        assert_eq!(local_names("my%20app.wasm.map#top"), ["my%20app.wasm.map#top", "my app.wasm.map"]);
        assert_eq!(local_names("https://x.org/sym/app.wasm?v=%20"), ["app.wasm"]);
        assert_eq!(local_names("http://localhost:4444/my%20app.map"), ["my%20app.map", "my app.map"]);
        assert_eq!(local_names("file:///sym/my%20app.map"), ["/sym/my%20app.map", "/sym/my app.map"]);
        assert_eq!(local_names("file://localhost/app.map"), ["/app.map"]);
        assert_eq!(local_names("https://x.org/?v=3"), [""; 0]);
        assert_eq!(local_names("%+1%zz%"), ["%+1%zz%"]);
    }
}
