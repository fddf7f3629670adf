//! docs/compliance.md against what it names: a claim whose test is gone is none.

use std::path::Path;
use std::process::Command;

use voice_agent::http::ROUTES;

const DOCUMENT: &str = include_str!("../../../../docs/compliance.md");

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Everything in backticks.
fn named() -> Vec<&'static str> {
    DOCUMENT.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_file_and_test_that_is_named_exists() {
    let files: Vec<&str> = named()
        .into_iter()
        .filter(|name| ["crates/", "web/", "deploy/", "docs/"].iter().any(|folder| name.starts_with(folder)))
        .collect();
    assert!(files.len() > 40, "{} are not many", files.len());
    for name in files {
        let (path, test) = name.split_once('#').map_or((name, None), |(path, test)| (path, Some(test)));
        let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        if let Some(test) = test {
            assert!(text.contains(&format!("fn {test}(")), "{path} has no {test}");
        }
    }
}

#[test]
fn every_row_says_what_shows_it() {
    let table = DOCUMENT.split("## Cross-border").next().unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.contains("`crates/") || line.contains("`web/")).collect();
    assert!(rows.len() > 30, "{} are not many", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.len() == 4 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
}

#[test]
fn every_command_that_is_named_exists() {
    let commands: Vec<&str> = named().into_iter().filter(|name| name.starts_with("voice-agent ")).collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let words = command.split(' ').skip(1).take_while(|word| !word.starts_with('-'));
        let output = Command::new(env!("CARGO_BIN_EXE_voice-agent")).args(words).arg("--help").output().unwrap();
        assert!(output.status.success(), "{command}");
    }
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    for target in named().into_iter().filter_map(|name| name.strip_prefix("make ")) {
        assert!(makefile.contains(&format!("\n{target}:")), "{target}");
    }
}

#[test]
fn every_call_that_is_named_exists() {
    let calls: Vec<(&str, &str)> = named().into_iter().filter_map(|name| name.split_once(" /api/")).collect();
    assert!(calls.len() > 5, "{calls:?}");
    for (method, path) in calls {
        let path = format!("/api/{path}");
        let known =
            ROUTES.iter().any(|(route, methods)| *route == path && methods.contains(&method.to_lowercase().as_str()));
        assert!(known, "{method} {path}");
    }
}

#[test]
fn every_setting_that_is_named_exists() {
    let example = std::fs::read_to_string(root().join("config/example.toml")).unwrap();
    for key in named().into_iter().filter_map(|name| name.strip_prefix("consent.")) {
        let key = key.split(' ').next().unwrap();
        assert!(example.contains(&format!("\n{key} = ")), "{key}");
    }
}
