//! The boxes of spec.md.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::criterion::Criterion;

const CHECKLIST: &str = "## Final checklist";
const SIGN_OFF: &str = "## Sign-off";
/// The annotation, and what stands behind it before the first validation.
const VALIDATED: &str = "Validated: ";

/// What is written when all is well.
#[derive(Debug)]
pub(super) struct SignOff<'a> {
    /// The day, like `2026-11-29`.
    pub(super) date: &'a str,
    /// The server's version.
    pub(super) version: &'a str,
    /// The folder with the evidence, as the document names it.
    pub(super) archive: &'a str,
    /// Whether the stakeholders were told.
    pub(super) told: &'a str,
}

/// Ticks the ten boxes of the file, and signs it off. Nothing is written unless all of it can be.
///
/// # Errors
/// When the file is not of the form that is expected, or cannot be written.
pub(super) fn sign_off(file: &Path, with: &SignOff<'_>) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("--spec {}", file.display()))?;
    let signed = signed(&text, with).with_context(|| format!("--spec {}", file.display()))?;
    let fresh = file.with_extension("md.new");
    std::fs::write(&fresh, signed).with_context(|| fresh.display().to_string())?;
    std::fs::rename(&fresh, file).with_context(|| file.display().to_string())
}

/// Whether the file can be signed off at all: a run of 24 hours is not to end with a typing mistake.
///
/// # Errors
/// As [`sign_off`].
pub(super) fn check(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("--spec {}", file.display()))?;
    signed(&text, &SignOff { date: "", version: "", archive: "", told: "" }).map(drop)
}

fn signed(text: &str, with: &SignOff<'_>) -> Result<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for criterion in Criterion::ALL {
        let line = only(&mut lines, CHECKLIST, &format!("| {} |", criterion.title()))?;
        let ticked = line.strip_suffix("| [ ] |").or_else(|| line.strip_suffix("| [x] |"));
        let ticked = ticked.with_context(|| format!("the row of {} ends with no box", criterion.title()))?;
        *line = format!("{ticked}| [x] |");
    }
    let evidence = format!("{VALIDATED}{} ([evidence]({}/checklist.md))", with.date, with.archive);
    *only(&mut lines, SIGN_OFF, VALIDATED)? = evidence;
    for (row, value) in [
        ("Version", with.version.to_owned()),
        ("Final configuration", format!("`{}/configuration.json`", with.archive)),
        ("Baseline of the production metrics", format!("`{}/baseline.json`", with.archive)),
        ("Stakeholders", with.told.to_owned()),
    ] {
        *only(&mut lines, SIGN_OFF, &format!("| {row} |"))? = format!("| {row} | {value} |");
    }
    Ok(lines.join("\n") + "\n")
}

/// The one line of a section that begins so.
fn only<'a>(lines: &'a mut [String], section: &str, begins: &str) -> Result<&'a mut String> {
    let first = lines.iter().position(|line| line == section).with_context(|| format!("there is no {section:?}"))?;
    let inside = lines[first + 1..].iter_mut().take_while(|line| !line.starts_with("## "));
    let mut found: Vec<&mut String> = inside.filter(|line| line.starts_with(begins)).collect();
    ensure!(found.len() <= 1, "{} lines of {section:?} begin with {begins:?}", found.len());
    match found.pop() {
        Some(line) => Ok(line),
        None => bail!("no line of {section:?} begins with {begins:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH: SignOff<'static> =
        SignOff { date: "2026-11-29", version: "0.1.0", archive: "docs/validation/x", told: "by webhook" };

    fn shipped() -> String {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec.md")).unwrap()
    }

    #[test]
    fn the_shipped_specification_can_be_signed_off_and_is_not_yet() {
        let text = shipped();
        assert_eq!(text.matches("| [ ] |").count(), 10);
        assert_eq!(text.matches("Validated: not yet").count(), 1);
        let signed_off = signed(&text, &WITH).unwrap();
        assert_eq!((signed_off.matches("| [x] |").count(), signed_off.matches("| [ ] |").count()), (10, 0));
        assert!(signed_off.contains("Validated: 2026-11-29 ([evidence](docs/validation/x/checklist.md))"));
        // Nothing else has changed, and it can be done again a year later.
        assert_eq!(signed_off.lines().count(), text.lines().count());
        let again = signed(&signed_off, &SignOff { date: "2027-11-29", ..WITH }).unwrap();
        assert_eq!(again.replace("2027", "2026"), signed_off);
    }

    #[test]
    fn a_form_that_is_not_expected_is_left_alone() {
        let text = shipped();
        let row = text.lines().find(|line| line.starts_with("| Failover Tested |")).unwrap().to_owned();
        for broken in [
            String::new(),
            text.replace("| Failover Tested |", "| Failover |"),
            text.replace(&row, &format!("{row}\n{row}")),
            text.replace(&row, &row.replace("[ ]", "perhaps")),
            text.replace("Validated: ", "Checked: "),
            text.replace("## Sign-off", "## End"),
        ] {
            assert!(signed(&broken, &WITH).is_err());
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("spec.md");
            std::fs::write(&file, &broken).unwrap();
            assert!(sign_off(&file, &WITH).is_err() && check(&file).is_err());
            assert_eq!(std::fs::read_to_string(&file).unwrap(), broken);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }
}
