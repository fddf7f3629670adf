//! Networks of a test's own, in which packets can be lost.

use std::process::Command;

use super::server::skip;

/// Set in a network of a test's own.
const IN_ITS_OWN: &str = "LIVEKIT_NETWORK";

/// From now on no datagram arrives, as behind a firewall that lets only TCP through. Only in a network of a test's own.
pub(crate) fn drop_datagrams() {
    assert!(std::env::var_os(IN_ITS_OWN).is_some(), "this is the machine's network");
    let rule = ["add", "rule", "inet", "t", "in", "meta", "l4proto", "udp", "drop"];
    assert!(Command::new("nft").args(rule).status().unwrap().success());
}

/// Whether this is the network of this test's own, with this rule for what arrives; else the test is run once more, in one. That
/// needs root, `unshare` and `nft`.
pub(crate) fn is_in_a_network_of_its_own(test: &str, rule: &str) -> bool {
    if std::env::var_os(IN_ITS_OWN).is_some() {
        return true;
    }
    let network = format!(
        "ip link set lo up && nft 'add table inet t' && \
        nft 'add chain inet t in {{ type filter hook input priority 0; }}' && \
        nft 'add rule inet t in {rule}' && exec \"$0\" \"$@\""
    );
    let probe = Command::new("unshare").args(["--net", "sh", "-c", &network, "true"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        skip(test, "a network of its own needs root, unshare and nft");
        return false;
    }
    let program = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["--net", "sh", "-c", &network])
        .arg(program)
        .args(["--nocapture", test])
        .env(IN_ITS_OWN, "1")
        .status()
        .unwrap();
    assert!(status.success());
    false
}
