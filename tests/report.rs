//! `residua report`: one page, well-formed, complete, and harmless whatever the model is called.

use crate::common::data::{images, npz};
use crate::common::onnx::network;
use crate::common::{Folder, residua};

/// Fails unless all tags are closed in order, attributes are quoted, and entities are those that every reader knows.
fn well_formed(page: &str) {
    let mut rest = page.strip_prefix("<!DOCTYPE html>\n").expect("a document type");
    let mut open: Vec<&str> = Vec::new();
    while let Some(start) = rest.find('<') {
        text(&rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag's end");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closing tag");
        } else {
            let inner = tag.strip_suffix('/').unwrap_or(tag);
            let name = inner.split(' ').next().unwrap();
            assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()), "tag {tag}");
            let quotes: Vec<&str> = inner.split('"').collect();
            assert!(quotes.len() % 2 == 1 && quotes.last().unwrap().trim().len() <= name.len(), "attributes of {tag}");
            quotes
                .iter()
                .step_by(2)
                .take(quotes.len() / 2)
                .for_each(|q| assert!(q.ends_with('='), "attributes of {tag}"));
            quotes.iter().for_each(|q| text(q));
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "left open: {open:?}");
}

fn text(text: &str) {
    assert!(!text.contains('<') && !text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    for entity in text.split('&').skip(1) {
        assert!(["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|e| entity.starts_with(e)), "&{entity}");
    }
}

fn on_its_own(page: &str) {
    for outside in ["<script", "<link", "<img", "<iframe", "src=", "href=", "@import", "http:", "https:", "onload="] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.split("url(").skip(1).all(|target| target.starts_with('#')));
}

#[test]
fn a_page_tells_everything_and_needs_nothing() {
    let folder = Folder::new();
    let [_, _, plan] = folder.compiled();
    let [first, second] = ["a.html", "b.html"].map(|name| {
        let path = folder.path(name);
        let json = residua(["report", &plan, "-o", &path, "--json"]).json();
        let page = std::fs::read_to_string(&path).unwrap();
        assert_eq!(json["bytes"], page.len());
        page
    });
    assert!(first == second, "the same plan gives different pages");
    well_formed(&first);
    on_its_own(&first);
    let inspected = residua(["inspect", &plan, "--json"]).json();
    for step in inspected["steps"].as_array().unwrap() {
        assert!(first.contains(&format!("<td>{}</td>", step["name"].as_str().unwrap())), "{step}");
    }
    for buffer in inspected["memory"].as_array().unwrap() {
        let title = format!(
            "{} of `{}` {}",
            buffer["kind"].as_str().unwrap(),
            buffer["writer"].as_str().unwrap(),
            buffer["bytes"]
        );
        assert!(first.contains(&title), "{title}");
    }
    for part in
        ["Arena, lower bound", "peak:", "segment 0", "Weight bits", "Activation bits", "prefers-color-scheme: dark"]
    {
        assert!(first.contains(part), "{part}");
    }
}

#[test]
fn hostile_names_are_text() {
    let names = [
        "<script>alert(1)</script>",
        "\"'&amp;]]>-->\u{0}\u{1b}[31m\u{202e}",
        "</title></svg><img src=x onerror=alert(1)>",
    ];
    let folder = Folder::new();
    let mut onnx = network();
    onnx.metadata("residua.labels", "a,<b>,\"c\",&d;,'e'");
    onnx.graph().name = names[0].into();
    onnx.graph().node.iter_mut().zip(names.iter().cycle()).for_each(|(node, name)| node.name = (*name).into());
    let model = folder.write("model.onnx", onnx.encode());
    let data = folder.write("data.npz", npz(&images(4, [3, 8, 8]), None));
    let plan = folder.path("out.plan");
    residua(["compile", &model, "--calibration", &data, "-o", &plan, "--json"]).json();
    let path = folder.path("report.html");
    residua(["report", &plan, "-o", &path, "--json"]).json();
    let page = std::fs::read_to_string(&path).unwrap();
    well_formed(&page);
    for outside in ["<script", "<img", "\u{202e}"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn accuracy_is_on_the_page_where_it_is_measured() {
    let folder = Folder::new();
    let [_, _, plan] = folder.compiled();
    let labels = [0, 1, 2, 3, 4, 0];
    let data = folder.write("labelled.npz", npz(&images(6, [3, 8, 8]), Some(&labels)));
    let path = folder.path("report.html");
    let top1 = residua(["report", &plan, "-o", &path, "--data", &data, "--json"]).json()["top1"].as_f64().unwrap();
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.contains(&format!("top-1 {top1:.4}")), "{top1}");
    well_formed(&page);
}

#[test]
fn a_page_is_written_whole_or_not_at_all() {
    let folder = Folder::new();
    let [_, _, plan] = folder.compiled();
    let before = folder.entries();
    let bytes = std::fs::read(&plan).unwrap();
    let cut = folder.write("model.plan", &bytes[..bytes.len() / 2]);
    residua(["report", &cut, "-o", &folder.path("report.html")]).fails(3, &["model.plan"]);
    residua(["report", &folder.path("absent.plan"), "-o", &folder.path("report.html")]).fails(3, &["absent.plan"]);
    folder.write("model.plan", bytes);
    residua(["report", &plan, "-o", &folder.path("absent/report.html")]).fails(3, &["absent"]);
    residua(["report", &plan]).fails(2, &["--output"]);
    assert_eq!(folder.entries(), before);
    folder.write("report.html", "old");
    residua(["report", &plan, "-o", &folder.path("report.html"), "--json"]).json();
    well_formed(&std::fs::read_to_string(folder.path("report.html")).unwrap());
    assert_eq!(folder.entries().len(), before.len() + 1);
}
