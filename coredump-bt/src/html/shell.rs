//! The frame of a page: head, style, script. A page loads nothing, and its content security policy lets nothing run but
//! the one script in it.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::markup::Markup;
use crate::args::TOOL;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Writes a page of these parts.
pub fn write<'p>(out: &mut impl Write, title: &str, parts: impl IntoIterator<Item = &'p Markup>) -> io::Result<()> {
    let mut head = Markup::default();
    head.tag("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    head.tag("<meta http-equiv=\"Content-Security-Policy\" content=\"").text(&policy()).tag("\">\n");
    head.tag("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    head.tag("<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n");
    head.tag("<meta name=\"generator\" content=\"").text(TOOL.name).tag(" ").text(TOOL.version).tag("\">\n");
    head.tag("<title>").text(title).tag("</title>\n<style>").tag(STYLE).tag("</style>\n</head>\n<body>\n");
    head.tag(include_str!("tools.html"));
    out.write_all(head.as_str().as_bytes())?;
    parts.into_iter().try_for_each(|part| out.write_all(part.as_str().as_bytes()))?;
    let mut foot = Markup::default();
    foot.tag("<footer><p>Written by ").text(TOOL.name).tag(" ").text(TOOL.version);
    foot.tag(". This page loads nothing and is complete without scripts.</p>");
    foot.tag(include_str!("keys.html")).tag("</footer>\n<script>").tag(SCRIPT).tag("</script>\n</body>\n</html>\n");
    out.write_all(foot.as_str().as_bytes())
}

/// The content security policy of a page: it names the hashes of style and script, and allows nothing else to be
/// loaded, run, sent or framed.
fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_end_where_their_elements_do() {
        for part in [STYLE, SCRIPT] {
            assert!(!part.contains("</") && !part.contains("<!--") && !part.contains('\r'));
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
        for way_out in
            ["fetch", "XMLHttpRequest", "WebSocket", "import(", "eval", "innerHTML", "outerHTML", "document.write"]
        {
            assert!(!SCRIPT.contains(way_out), "{way_out}");
        }
    }
}
