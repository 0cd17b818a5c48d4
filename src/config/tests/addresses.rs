//! Which addresses a target or a probe may have, and tokens that would break out of their header.

use super::{Setup, accepted, refused};
use crate::domain::addresses::AddressClass;

#[test]
fn an_address_behind_which_there_is_no_database_is_refused_in_urls() {
    for (url, class) in [
        ("http://169.254.169.254", "the address of a cloud's metadata service"),
        ("http://[::ffff:a9fe:a9fe]:8765/x", "the address of a cloud's metadata service"),
        ("http://0xa9fea9fe/", "the address of a cloud's metadata service"),
        ("https://169.254.1.1", "a link-local address"),
        ("http://[fe80::1]", "a link-local address"),
        ("http://0.0.0.0:8765", "an unspecified address"),
        ("http://224.0.0.1", "a multicast address"),
        ("http://255.255.255.255", "a broadcast address"),
    ] {
        let words = format!("holds {class}, which may not be called");
        let target = format!("targets.default.base_url {words}; list it in allow_addresses if that is meant");
        refused(&format!("targets.default.base_url = '{url}'"), &target);
        refused(&format!("probes.x = {{ kind = 'http', url = '{url}' }}"), &format!("probes.x.url {words}"));
    }
    accepted("targets.default.base_url = 'http://[::1]:8765'");
    accepted("targets.default = { base_url = 'http://169.254.1.1', allow_addresses = ['10.0.0.1', '169.254.1.0/24'] }");
}

#[test]
fn exceptions_are_addresses_and_networks() {
    let config = Setup::new().variable("TARGETS__DEFAULT__ALLOW_ADDRESSES", "169.254.1.1, fe80::/10").config();
    let rule = &config.targets["default"].addresses;
    let check = |text: &str| rule.check(text.parse().expect("an address"));
    assert_eq!((check("169.254.1.1"), check("fe80::1")), (Ok(()), Ok(())));
    assert_eq!(check("169.254.1.2"), Err(AddressClass::LinkLocal));
    for bad in ["['localhost']", "['169.254.0.0/33']", "['']", "['1.2.3.4:80']"] {
        refused(
            &format!("targets.default.allow_addresses = {bad}"),
            "targets.default.allow_addresses must hold IP addresses or networks, for example",
        );
    }
    refused("targets.default.allow_addresses = 5", "targets.default.allow_addresses must be an array of strings");
}

#[test]
fn a_token_with_more_than_a_token_in_it_is_refused_and_not_shown() {
    for token in ["hunter2 x", "hunter2\nX-Evil: 1", "hunter2\u{7f}", "hunter2é"] {
        let setup = Setup::new();
        let file = setup.write("token", token);
        let setup = setup.file(&format!("targets.default.token_file = {:?}", file.display().to_string()));
        let [mistake] = &setup.mistakes()[..] else { panic!("one mistake") };
        assert!(mistake.starts_with("targets.default.token_file holds something else than one token"), "{mistake}");
        assert!(!mistake.contains("hunter2"));
        let [mistake] = &Setup::new().variable("TARGETS__DEFAULT__TOKEN", token).mistakes()[..] else { panic!("one mistake") };
        assert!(mistake.starts_with("targets.default.token holds something else") && !mistake.contains("hunter2"), "{mistake}");
    }
}
