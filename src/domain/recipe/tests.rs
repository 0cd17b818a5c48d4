use super::*;
use serde_json::json;

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

fn call(path: &str, body: Body) -> Call {
    Call { method: Method::Post, path: PathTemplate::parse(path).expect("a path"), body }
}

#[test]
fn parameters_in_the_path_are_encoded_and_not_sent_in_the_body() {
    let call = call("/stats/{table}/x", Body::Parameters);
    let parameters = object(json!({"table": "a/b ü%", "endpoint": "e", "column": "c"}));
    let rendered = call.render(&parameters, &Map::new()).expect("rendered");
    assert_eq!(rendered.path, "/stats/a%2Fb%20%C3%BC%25/x");
    assert_eq!(rendered.body, Some(json!({"column": "c"})));
}

#[test]
fn nothing_in_a_parameter_changes_the_path_around_it() {
    let call = call("/a/{x}/b", Body::None);
    for (value, segment) in [
        ("../", "..%2F"),
        ("..\\", "..%5C"),
        ("%2e%2e", "%252e%252e"),
        ("?x=1", "%3Fx%3D1"),
        ("#x", "%23x"),
        ("a;b:c@d&e=f+g,h!i$j'k(l)*", "a%3Bb%3Ac%40d%26e%3Df%2Bg%2Ch%21i%24j%27k%28l%29%2A"),
        ("\0", "%00"),
        ("a\r\nHost: evil", "a%0D%0AHost%3A%20evil"),
        (" \t\u{7f}", "%20%09%7F"),
        ("é€😀", "%C3%A9%E2%82%AC%F0%9F%98%80"),
        ("\u{ff0e}\u{ff0e}\u{2215}", "%EF%BC%8E%EF%BC%8E%E2%88%95"),
        ("A-z_0.9~", "A-z_0.9~"),
        ("...", "..."),
    ] {
        let rendered = call.render(&object(json!({"x": value})), &Map::new()).expect("rendered");
        assert_eq!(rendered.path, format!("/a/{segment}/b"), "{value:?}");
    }
}

#[test]
fn a_path_parameter_cannot_leave_its_segment() {
    let call = call("/stats/{table}", Body::None);
    for (value, error) in [
        (json!(".."), RenderError::NotASegment("table".into())),
        (json!(""), RenderError::NotASegment("table".into())),
        (json!({"a": 1}), RenderError::NotScalar("table".into())),
    ] {
        assert_eq!(call.render(&object(json!({"table": value})), &Map::new()), Err(error));
    }
    assert_eq!(call.render(&Map::new(), &Map::new()), Err(RenderError::Missing("table".into())));
}

#[test]
fn no_dot_segment_can_be_put_together() {
    let values = object(json!({"a": ".", "b": "e."}));
    for path in ["/x/{a}{b}", "/x/.{a}", "/x/%2e{a}", "/x/{a}%2E?y"] {
        assert_eq!(call(path, Body::None).render(&values, &Map::new()), Err(RenderError::NotASegment("a".into())), "{path}");
    }
    for path in ["/x/%2{b}", "/x/%{b}", "/x/%"] {
        assert_eq!(PathTemplate::parse(path), Err(PathTemplateError::NotAPath), "{path}");
    }
}

#[test]
fn templates_keep_the_type_of_a_value_that_stands_alone() {
    let template = json!({"n": "{n}", "text": "n is {n}", "list": ["{n}", 1], "maybe": "{absent?}", "job": "{job_id}"});
    let rendered = call("/x", Body::Template(template)).render(&object(json!({"n": 5})), &object(json!({"job_id": "j"})));
    assert_eq!(rendered.expect("rendered").body, Some(json!({"n": 5, "text": "n is 5", "list": [5, 1], "job": "j"})));
}

#[test]
fn paths_that_are_no_paths_and_restore_are_refused() {
    for bad in ["", "x", "http://h/x", "//h/x", "/a/../b", "/a b", "/a{", "/a}", "/{}", "/{a{b}}", "/a#b"] {
        assert!(PathTemplate::parse(bad).is_err(), "{bad}");
    }
    for restore in ["/admin/restore", "/Admin/Restore?x=1", "/v1/admin/restore", "/admin/./restore", "/admin/%72estore"] {
        assert_eq!(PathTemplate::parse(restore), Err(PathTemplateError::Restore), "{restore}");
    }
    let sneaky = call("/admin/{what}", Body::None);
    assert_eq!(sneaky.render(&object(json!({"what": "restore"})), &Map::new()), Err(RenderError::Restore));
}

#[test]
fn assertions_say_what_is_wrong() {
    let rule =
        |pointer: &str, test| SuccessRule { statuses: vec![], assertions: vec![Assertion { selector: pointer.into(), test }] };
    let body = json!({"success": true, "n": 3, "error": null});
    assert_eq!(rule("/success", Test::Equals(json!(true).into())).check_body(Some(&body)), Ok(()));
    assert_eq!(rule("/n", Test::Equals(json!(3.0).into())).check_body(Some(&body)), Ok(()));
    assert_eq!(rule("/n", Test::AtLeast(4.into())).check_body(Some(&body)), Err("/n must be at least 4, but it is 3".into()));
    assert_eq!(
        rule("/type", Test::NotEquals(json!("").into())).check_body(Some(&body)),
        Err("/type must be there and not \"\", but it is missing".into())
    );
    assert_eq!(rule("/error", Test::Absent).check_body(Some(&body)), Err("/error must be absent, but it is null".into()));
    assert_eq!(rule("/n", Test::Exists).check_body(None), Err("the answer is not JSON".into()));
    assert_eq!(SuccessRule::default().check_body(None), Ok(()));
    assert!(SuccessRule::default().accepts_status(204) && !SuccessRule::default().accepts_status(301));
}

#[test]
fn parameters_that_are_missing_or_too_small_are_all_listed() {
    let recipe = Recipe {
        required_parameters: vec!["table".into(), "column".into()],
        minimums: BTreeMap::from([("before".to_owned(), 0.0), ("pages".to_owned(), 1.0)]),
        ..Recipe::of(call("/x", Body::Parameters))
    };
    assert_eq!(
        recipe.check_parameters(&object(json!({"column": null, "before": -1, "pages": "3"}))),
        Err("parameter 'table' is missing; parameter 'column' is missing; parameter 'before' must be at least 0; \
             parameter 'pages' must be a number"
            .into())
    );
    assert_eq!(recipe.check_parameters(&object(json!({"table": "t", "column": "c", "before": 0}))), Ok(()));
}

#[test]
fn a_summary_takes_what_is_there() {
    let captured = object(json!({"before": 3, "unseen": 4}));
    let entries =
        ["/a/b".into(), "/nothing".into(), SummaryEntry::Captured("before".into()), SummaryEntry::Captured("no".into())];
    assert_eq!(summarize(&entries, Some(&json!({"a": {"b": 1}})), &captured), Some(json!({"b": 1, "before": 3})));
    assert_eq!(summarize(&entries, None, &captured), Some(json!({"before": 3})));
    assert_eq!(summarize(&entries[..2], Some(&json!([])), &captured), None);
}

#[test]
fn restore_cannot_be_reached_by_detours() {
    let two = call("/{a}/{b}", Body::None);
    for (a, b) in [
        ("admin", "restore"),
        ("x", "admin/restore"),
        ("admin", "x/../restore"),
        ("x/../admin", "./restore"),
        ("ADMIN", "Restore"),
        ("x", "admin%2Frestore"),
        ("x", "admin%252Frestore"),
    ] {
        let values = object(json!({"a": a, "b": b}));
        assert_eq!(two.render(&values, &Map::new()), Err(RenderError::Restore), "{a} {b}");
        assert_eq!(two.render(&Map::new(), &values), Err(RenderError::Restore), "{a} {b}");
    }
    for harmless in ["/admin/backup", "/admin/x/restore", "/restore", "/x?of=admin/restore"] {
        assert!(!leads_to_restore(harmless), "{harmless}");
    }
}

#[test]
fn selectors_count_and_add_up() {
    let body = json!({"list": [{"n": 2, "f": 0.5}, {"n": 3, "f": 1}], "text": "x", "none": []});
    let pick = |pointer: &str, measure| Selector { pointer: pointer.into(), measure }.pick(&body);
    let sum = |within: &str| Measure::Sum(within.into());
    assert_eq!(pick("/list", Measure::Count), Ok(Some(json!(2))));
    assert_eq!(pick("/none", sum("/n")), Ok(Some(json!(0))));
    assert_eq!(pick("/list", sum("/n")), Ok(Some(json!(5))));
    assert_eq!(pick("/list", sum("/f")), Ok(Some(json!(1.5))));
    assert_eq!(pick("/missing", Measure::Value), Ok(None));
    assert_eq!(pick("/text", Measure::Count), Err("/text must be an array, but it is \"x\"".into()));
    assert_eq!(pick("/missing", sum("/n")), Err("/missing must be an array, but it is missing".into()));
    assert_eq!(pick("", Measure::Count).map_err(|why| why.starts_with("the body must be an array")), Err(true));
    assert_eq!(pick("/list", sum("/x")), Err("/list must have a number at /x in each element".into()));
    let huge = json!([{"n": i64::MAX}, {"n": 1}]);
    let sum = Selector { pointer: String::new(), measure: sum("/n") }.pick(&huge);
    assert_eq!(sum, Ok(Some(json!(9_223_372_036_854_775_808.0))));
}

#[test]
fn assertions_compare_with_values_and_name_both() {
    let rule = |selector: Selector, test| SuccessRule { statuses: vec![], assertions: vec![Assertion { selector, test }] };
    let values = object(json!({"entries_before": 250, "kind": "range", "job": "j", "none": null, "text": "250"}));
    let check = |test, body: Value| rule("/n".into(), test).filled(&values).map(|rule| rule.check_body(Some(&body)));
    let fails = |words: &str| Ok(Err(words.to_owned()));
    let least = |place: &str| Test::AtLeast(place.into());
    assert_eq!(check(least("{entries_before}"), json!({"n": 250})), Ok(Ok(())));
    assert_eq!(
        check(least("{entries_before}"), json!({"n": 200})),
        fails("/n must be at least 250 (entries_before), but it is 200")
    );
    assert_eq!(
        check(Test::AtMost("{entries_before}".into()), json!({"n": 251})),
        fails("/n must be at most 250 (entries_before), but it is 251")
    );
    assert_eq!(check(Test::Equals("{kind}".into()), json!({"n": "range"})), Ok(Ok(())));
    assert_eq!(check(Test::Equals("./b_{job}".into()), json!({"n": "./b_j"})), Ok(Ok(())));
    assert_eq!(check(Test::Equals("./b_{job}".into()), json!({"n": "x"})), fails("/n must be \"./b_j\", but it is \"x\""));
    assert_eq!(check(Test::NotEquals("{kind}".into()), json!({"n": "range"})).map(|held| held.is_err()), Ok(true));
    assert_eq!(
        check(least("{text}"), json!({"n": 300})),
        fails("/n must be at least \"250\" (text), which is no number, but it is 300")
    );
    assert_eq!(check(least("{entries_before}"), json!({"n": "many"})).map(|held| held.is_err()), Ok(true));
    for absent in ["{nobody?}", "{none?}"] {
        assert_eq!(check(least(absent), json!({"n": 0})), Ok(Ok(())), "{absent}");
    }
    assert_eq!(check(least("{nobody}"), json!({})), Err(RenderError::Missing("nobody".into())));

    let count = Selector { pointer: "/list".into(), measure: Measure::Count };
    let held = rule(count, least("{entries_before}")).filled(&values).expect("filled").check_body(Some(&json!({"list": [1]})));
    assert_eq!(held, Err("the number of elements of /list must be at least 250 (entries_before), but it is 1".into()));
}

#[test]
fn expressions_are_found_anywhere_in_a_text() {
    let matches = |expression: &str, value: Value| {
        let test = Test::Matches(Pattern::parse(expression).expect("an expression"));
        let assertions = vec![Assertion { selector: "/v".into(), test }];
        SuccessRule { statuses: vec![], assertions }.check_body(Some(&json!({"v": value})))
    };
    assert_eq!(matches("(?i)ok|done", json!("all DONE")), Ok(()));
    assert_eq!(matches(r"^2\d$", json!(25)), Ok(()));
    assert_eq!(matches("^ok$", json!("not ok")), Err("/v must match /^ok$/, but it is \"not ok\"".into()));
    assert!(matches(".", json!(["a"])).is_err() && matches(".", Value::Null).is_err());
    for bad in ["(", "a{1000}{1000}{1000}", "x\\"] {
        assert!(Pattern::parse(bad).is_err_and(|why| why.starts_with("must be a regular expression: ")), "{bad}");
    }
    assert!(Pattern::parse(&"x".repeat(1001)).is_err());
    assert_eq!(Pattern::parse("a"), Pattern::parse("a"));
}

#[test]
fn polls_come_at_growing_distances() {
    let second = Duration::from_secs(1);
    let poll = |backoff, max_interval| Poll {
        handle: "/id".into(),
        call: call("/{handle}", Body::None),
        state: "/s".into(),
        succeeded: vec![json!(true)],
        failed: vec![],
        interval: second,
        backoff,
        max_interval,
        deadline: DEFAULT_TIMEOUT,
        progress: Some("/p".into()),
        success: SuccessRule::default(),
    };
    let waits = |poll: Poll| [0, 1, 2, 5, u32::MAX].map(|polls| poll.wait_after(polls).as_secs());
    assert_eq!(waits(poll(2.0, 5 * second)), [1, 2, 4, 5, 5]);
    assert_eq!(waits(poll(1.0, 5 * second)), [1; 5]);
    let poll = poll(1.0, second);
    let progress = [json!(0), json!(99.6), json!(100), json!(101), json!(-1), json!("50"), json!(null)];
    let read = progress.map(|value| poll.progress_in(&json!({"p": value})));
    assert_eq!(read, [Some(0), Some(99), Some(100), None, None, None, None]);
}
