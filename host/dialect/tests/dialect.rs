//! The dialect: texts and the trees that they make, written as text again; what is refused, and where.

use mantis_dialect::{
    Condition, ErrorKind, Field, JsonStep, Limits, Operand, Operator, ParseError, Parser, Query, Selection,
    array_elements,
};
use proptest::prelude::*;

/// The query of an undecoded query string without escapes.
#[track_caller]
fn query(text: &str) -> Result<Query, ParseError> {
    let pairs: Vec<_> = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    Parser::default().query(pairs)
}

/// The parts of a query that say something, written as text.
fn written(query: &Query) -> String {
    fn list<T: ToString>(items: &[T]) -> String {
        items.iter().map(T::to_string).collect::<Vec<_>>().join(",")
    }
    let mut parts = Vec::new();
    if let Some(select) = &query.select {
        parts.push(format!("select {}", list(select)));
    }
    let root = std::iter::once((String::new(), &query.root));
    let embeds = query.embeds.iter().map(|embed| (format!("{}: ", embed.path.join(".")), &embed.part));
    for (path, part) in root.chain(embeds) {
        if !part.filter.is_empty() {
            parts.push(format!("{path}where {}", list(&part.filter)));
        }
        if !part.order.is_empty() {
            parts.push(format!("{path}order {}", list(&part.order)));
        }
        for (word, number) in [("limit", part.limit), ("offset", part.offset)] {
            parts.extend(number.map(|number| format!("{path}{word} {number}")));
        }
    }
    if !query.having.is_empty() {
        parts.push(format!("having {}", list(&query.having)));
    }
    for (word, names) in [("columns", &query.columns), ("on_conflict", &query.on_conflict)] {
        parts.extend(names.as_ref().map(|names| format!("{word} {}", names.join(","))));
    }
    parts.join("; ")
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let query = query(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(written(&query), expected, "{text}");
}

#[test]
fn conditions() {
    check("id=eq.5", "where id.eq.5");
    check("id=not.eq.5", "where id.not.eq.5");
    check("k=like.*yx&extra=not.eq.u", "where k.like.*yx,extra.not.eq.u");
    check("w=eq.say \"hi\"", r#"where w.eq."say \"hi\"""#);
    check("w=eq.", r#"where w.eq."""#);
    check("w=eq.a,b)", r#"where w.eq."a,b)""#);
    check(
        "a=is.NULL&b=is.not_null&c=is.True&d=not.is.unknown",
        "where a.is.null,b.is.not_null,c.is.true,d.not.is.unknown",
    );
    check("a=isdistinct.2", "where a.isdistinct.2");
    check("id=gt(all).{4,3}", r#"where id.gt(all)."{4,3}""#);
    check("name=not.like(any).{B*,T*}", r#"where name.not.like(any)."{B*,T*}""#);
    check(r#"body=cd.{"size":{"w":7}}"#, r#"where body.cd."{\"size\":{\"w\":7}}""#);
    check("Full Name=eq.x", r#"where "Full Name".eq.x"#);
    check(r#""a.b"=eq.x"#, r#"where "a.b".eq.x"#);
    check("snake-case=eq.x", r#"where "snake-case".eq.x"#);
    check("data->foo->>bar=eq.baz", "where data->foo->>bar.eq.baz");
    check("data->-1->>0=eq.baz", "where data->-1->>0.eq.baz");
    check("data->7up=eq.1", r#"where data->"7up".eq.1"#);
    check("ünïcode=eq.é", r#"where "ünïcode".eq."é""#);
}

#[test]
fn lists() {
    check("id=in.(1,3,5)", "where id.in.(1,3,5)");
    check("id=not.in.()", "where id.not.in.()");
    check("id=in.(   )", "where id.in.()");
    check("id=in.( ,3)", r#"where id.in.("",3)"#);
    check("id=in.(,)", r#"where id.in.("","")"#);
    check(r#"n=in.("Hebdon, John",David White)"#, r#"where n.in.("Hebdon, John","David White")"#);
    check(r#"n=in.("Double\"Quote\"McGraw\"")"#, r#"where n.in.("Double\"Quote\"McGraw\"")"#);
    check(r#"n=in.("a"b,c)"#, r#"where n.in.("\"a\"b",c)"#);
}

#[test]
fn trees_of_conditions() {
    check("or=(id.eq.1,id.eq.2)", "where or(id.eq.1,id.eq.2)");
    check("not.or=(id.eq.1,id.eq.2)", "where not.or(id.eq.1,id.eq.2)");
    check(
        "or=(not.and(name.eq.entity 2,id.eq.2),a.is.null)",
        r#"where or(not.and(name.eq."entity 2",id.eq.2),a.is.null)"#,
    );
    check(
        "and=( and ( id.in.( 1, 2 ) , id.eq.3 ) , or ( b.eq.2 ) )",
        r#"where and(and(id.in.(1," 2 "),id.eq."3 "),or(b.eq."2 "))"#,
    );
    check("and=(or.eq.1,and.not.in.(1,2),not.is.true)", r#"where and("or".eq.1,"and".not.in.(1,2),"not".is.true)"#);
    check(r#"or=(w.eq."with, comma",w.eq."say \"hi\"")"#, r#"where or(w.eq."with, comma",w.eq."say \"hi\"")"#);
    check("or=(a.cs.{1,2},b.ov.{\"x,y\"})", r#"where or(a.cs."{1,2}",b.ov."{\"x,y\"}")"#);
    check("or=(a->b->>c.eq.1,d->0.gt.2)", "where or(a->b->>c.eq.1,d->0.gt.2)");
    check("or=(id.eq.1)&or=(id.eq.2)", "where or(id.eq.1),or(id.eq.2)");
    check("clients.or=(id.eq.1)&a.b.not.and=(id.eq.2)", "clients: where or(id.eq.1); a.b: where not.and(id.eq.2)");
}

#[test]
fn selections() {
    check("select=*", "select *");
    check("select=", "select ");
    check("select=id, name", "select id,name");
    check("select=myId:id::text", "select myId:id::text");
    check("select=n::numeric(10,2),a::int[]", "select n::numeric(10,2),a::int[]");
    check("select=x::double precision", "select x::double precision");
    check("select=settings->foo->>bar,last:nums->-1", "select settings->foo->>bar,last:nums->-1");
    check("select=\"Full Name\",n:Id", r#"select "Full Name",n:Id"#);
    check("select=count(),n:count()::text,secs.sum()", "select count(),n:count()::text,secs.sum()");
    check("select=a::int.avg()::text,b.count()", "select a::int.avg()::text,b.count()");
    check("select=meta->>key,count()", "select meta->>key,count()");
    check("select=id,tasks(id,clients(*))", "select id,tasks(id,clients(*))");
    check("select=clients!inner()", "select clients!inner()");
    check("select=o:depots!origin_id!inner(town),p:d!left!fk(x)", "select o:depots!origin_id!inner(town),p:d!fk(x)");
    check("select=depots!\"inner\"(town)", r#"select depots!"inner"(town)"#);
    check("select=...x_artists(n:name,...p()),...a:t(x)", "select ...x_artists(n:name,...p()),...a:t(x)");
    check("select=x_takes(count)", r#"select x_takes("count")"#);
    check("select=\"count\"()", r#"select "count"()"#);
}

#[test]
fn orders_and_ranges() {
    check("order=a", "order a.asc");
    check("order=a.desc.nullslast,b.nullsfirst, c.asc", "order a.desc.nullslast,b.asc.nullsfirst,c.asc");
    check("order=body->>lang.desc", "order body->>lang.desc");
    check("order=clients(name).desc", "order clients(name).desc");
    check("order=takes(secs.sum()).desc,count(),b.max()", "order takes(secs.sum()).desc,count().asc,b.max().asc");
    check("limit=3&offset=0", "limit 3; offset 0");
    check("t.order=a&t.u.limit=1&t.offset=2&t.a=eq.1", "t: where a.eq.1; t: order a.asc; t: offset 2; t.u: limit 1");
    check("\"order\"=eq.1&t.\"limit\"=eq.2", r#"where "order".eq.1; t: where "limit".eq.2"#);
}

#[test]
fn other_parameters() {
    check("columns=\"a\",\"b c\"&on_conflict=a,b", "columns a,b c; on_conflict a,b");
    check(
        "having=(count().gt.1,secs.sum().not.lt.3)&having=eq.1",
        "where having.eq.1; having count().gt.1,secs.sum().not.lt.3",
    );
    check("having=(or(a.min().gt.1,b.is.null))", "having or(a.min().gt.1,b.is.null)");
}

#[test]
fn of_what_may_stand_once_the_first_counts_and_of_limits_the_last() {
    check("select=a&select=b&order=a&order=b&limit=1&limit=2", "select a; order a.asc; limit 2");
}

#[track_caller]
fn refuse(text: &str, offset: usize, message: &str) {
    let error = match query(text) {
        Ok(query) => panic!("{text}: {}", written(&query)),
        Err(error) => error,
    };
    assert_eq!((error.offset(), &*error.to_string()), (offset, message), "{text}");
}

#[test]
fn a_cast_names_a_type() {
    check(r#"select=a::"b ""#, "select a::b");
    assert!(query(r#"select=a::"b,c""#).is_err());
    assert!(query(r#"select=a::" ""#).is_err());
}

#[test]
fn what_is_refused_and_where() {
    refuse("select=id,,name", 3, r#"select, character 4: unexpected ",", expected a name"#);
    refuse("select=id(", 3, r#"select, character 4: the text ends, expected "," or ")""#);
    refuse("select=id)", 2, r#"select, character 3: unexpected ")", expected the end"#);
    refuse("select=a:", 2, "select, character 3: the text ends, expected a name");
    refuse("or=()", 1, r#"or, character 2: unexpected ")", expected a name"#);
    refuse("or=(a.eq.1", 7, r#"or, character 8: the text ends, expected "," or ")""#);
    refuse("or=(a)", 2, r#"or, character 3: unexpected ")", expected "." and an operator"#);
    refuse("a=5", 0, r#"a, character 1: unexpected "5", expected an operator (eq, gt, like, in, is, ..)"#);
    refuse("a=eq", 2, r#"a, character 3: the text ends, expected "." and a value"#);
    refuse("a=eqq.1", 0, r#"a, character 1: unexpected "e", expected an operator (eq, gt, like, in, is, ..)"#);
    refuse("a=in.1", 3, r#"a, character 4: unexpected "1", expected "(""#);
    refuse("a=in.(1", 5, r#"a, character 6: the text ends, expected "," or ")""#);
    refuse("a=is.nil", 3, r#"a, character 4: unexpected "n", expected null, not_null, true, false or unknown"#);
    refuse("a=is.nullx", 3, r#"a, character 4: unexpected "n", expected null, not_null, true, false or unknown"#);
    refuse("a=is(any).null", 2, r#"a, character 3: unexpected "(", expected "." and a value"#);
    refuse("a=eq(some).1", 2, r#"a, character 3: unexpected "(", expected (any) or (all)"#);
    refuse("order=a.up", 1, r#"order, character 2: unexpected ".", expected the end"#);
    refuse("order=a.asc.desc", 5, r#"order, character 6: unexpected ".", expected the end"#);
    refuse("limit=x", 0, r#"limit, character 1: unexpected "x", expected a whole number below 2^64"#);
    refuse("limit=1x", 1, r#"limit, character 2: unexpected "x", expected the end"#);
    refuse("limit=-1", 0, "limit: a negative number");
    refuse("a->=eq.1", 3, "a->, character 4: the text ends, expected the name of a member or the place of an element");
    refuse("a.=eq.1", 2, "a., character 3: the text ends, expected a name");
    refuse("\"a=eq.1", 2, "\"a, character 3: the text ends, expected a closing quote");
    refuse("a=fts.cat", 0, "a, character 1: full-text search is not supported");
    refuse("é=eq", 2, r#"é, character 3: the text ends, expected "." and a value"#);
}

#[test]
fn limits() {
    let limits = Limits { text_bytes_max: 100, depth_max: 3, nodes_max: 10 };
    let parser = Parser::new(limits);
    let kind = |name, value: &str| parser.query([(name, value)]).map_err(|error| error.kind().clone());
    assert!(kind("or", "(and(or(a.eq.1)))").is_ok());
    assert_eq!(kind("or", "(and(or(and(a.eq.1))))"), Err(ErrorKind::TooDeep { depth_max: 3 }));
    assert_eq!(kind("select", "a(b(c(d(e))))"), Err(ErrorKind::TooDeep { depth_max: 3 }));
    assert!(kind("select", "1,2,3,4,5,6,7,8,9,10").is_ok());
    assert_eq!(kind("select", "1,2,3,4,5,6,7,8,9,10,11"), Err(ErrorKind::TooLarge { nodes_max: 10 }));
    assert_eq!(kind("a", "in.(1,2,3,4,5,6,7,8,9,10)"), Err(ErrorKind::TooLarge { nodes_max: 10 }));
    assert_eq!(kind("a", &format!("eq.{}", "x".repeat(98))), Err(ErrorKind::TooLong { bytes_max: 100 }));
    // Of all parameters together.
    let many: Vec<_> = (0..11).map(|_| ("a", "eq.1")).collect();
    assert_eq!(parser.query(many).unwrap_err().kind(), &ErrorKind::TooLarge { nodes_max: 10 });
    // As deep as the default allows, and far beyond: no stack runs out.
    let nested = |depth: usize| format!("({}a.eq.1{})", "or(".repeat(depth), ")".repeat(depth));
    assert!(Parser::default().query([("or", &*nested(31))]).is_ok());
    assert!(Parser::default().query([("or", &*nested(100_000))]).is_err());
}

#[test]
fn arguments_stand_apart_from_the_text() {
    let parser = Parser::default().with_arguments();
    let filter =
        parser.filter(r#"age=gte.$1&or=(a.eq.$2,b.eq."$3",c.in.($1,x),d.in.$12)&"x&y"=eq.=&p=eq.$5.00"#).unwrap();
    let written: Vec<_> = filter.iter().map(ToString::to_string).collect();
    assert_eq!(
        written,
        ["age.gte.$1", r#"or(a.eq.$2,b.eq."$3",c.in.($1,x),d.in.$12)"#, r#""x&y".eq."=""#, r#"p.eq."$5.00""#]
    );
    let Condition::Compare(comparison) = &filter[0] else { panic!("{:?}", filter[0]) };
    assert_eq!((comparison.operator, &comparison.operand), (Operator::GreaterOrEqual, &Operand::Argument(1)));
    // Without arguments it is a text.
    let Condition::Compare(comparison) = &Parser::default().filter("age=gte.$1").unwrap()[0] else { panic!() };
    assert_eq!(comparison.operand, Operand::Text("$1".into()));
    assert!(Parser::default().filter("age").is_err());
    // A list is one argument, or in parentheses.
    for no_list in ["a=in.$x", "a=in.$", "or=(a.in.$0)"] {
        assert!(parser.filter(no_list).is_err(), "{no_list}");
    }
    for (filter, written, offset) in [
        ("a=eq.$0", "$0", 3),
        ("a=eq.$01", "$01", 3),
        ("a=gt.$65536", "$65536", 3),
        ("or=(a.eq.1,b.lt.$99999999999999999999999)", "$9999999999999999999", 13),
        ("a=in.(1,$0)", "$0", 6),
        ("a=in.$0", "$0", 3),
    ] {
        let error = parser.filter(filter).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::NoArgument { written: written.to_owned() }, "{filter}");
        assert_eq!(error.offset(), offset, "{filter}");
    }
    assert!(parser.filter("a=eq.$65535&b=eq.$&or=(c.eq.\"$0\")").is_ok());
}

#[test]
fn a_filter_a_select_and_an_order_make_a_query() {
    let parser = Parser::default().with_arguments();
    let check = |filter, select, order, expected: &str| {
        let query = parser.texts(filter, select, order).unwrap_or_else(|error| panic!("{filter}: {error}"));
        assert_eq!(written(&query), expected, "{filter}");
    };
    check("", "", "", "");
    check(
        "a=eq.$1&or=(b.gt.$2,c.is.null)",
        "a",
        "b.desc",
        "select a; where a.eq.$1,or(b.gt.$2,c.is.null); order b.desc",
    );
    check("b.order=c&b.limit=2&b.d=eq.1", "a,b(c)", " ", "select a,b(c); b: where d.eq.1; b: order c.asc; b: limit 2");
    check("having=(count().gt.1)", "a,count()", "", "select a,count(); having count().gt.1");
    check("&a=eq.\"x&y\"&", "", "", r#"where a.eq."\"x&y\"""#);
    for (filter, parameter) in [
        ("select=a", "select"),
        ("columns=a", "columns"),
        ("on_conflict=a", "on_conflict"),
        ("order=a", "order"),
        ("a=eq.1&limit=1", "limit"),
        ("offset=0", "offset"),
        ("a", "a"),
        ("a=eq.1&b", "b"),
    ] {
        let error = parser.texts(filter, "a", "a").expect_err(filter);
        assert_eq!(error.parameter(), parameter, "{filter}");
    }
}

#[test]
fn array_literals() {
    let check = |literal: &str, expected: Option<&[Option<&str>]>| {
        let elements = array_elements(literal);
        let elements: Option<Vec<_>> = elements.as_ref().map(|all| all.iter().map(Option::as_deref).collect());
        assert_eq!(elements.as_deref(), expected, "{literal}");
    };
    check("{}", Some(&[]));
    check(" { } ", Some(&[]));
    check("{a, b c ,null,\"null\",NULL}", Some(&[Some("a"), Some("b c"), None, Some("null"), None]));
    check(r#"{"a\"b\\c","",\{}"#, Some(&[Some(r#"a"b\c"#), Some(""), Some("{")]));
    for bad in ["", "{", "a", "{a,}", "{,a}", "{\"a}", "{a\"b}", "{{a}}", "{\"a\"b}", "{a\\}"] {
        check(bad, None);
    }
}

/// Names of any kind, words of the language among them.
fn a_name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{1,4}", "(and|or|not|order|limit|count|inner|null|in|is)", "[ -~é]{1,6}"]
}

fn a_field() -> impl Strategy<Value = Field> {
    let step = prop_oneof![
        (a_name(), any::<bool>()).prop_map(|(name, is_text)| JsonStep::Member { name: name.into(), is_text }),
        (any::<i64>(), any::<bool>()).prop_map(|(index, is_text)| JsonStep::Element { index, is_text }),
    ];
    (a_name(), prop::collection::vec(step, 0..3)).prop_map(|(name, path)| Field { name: name.into(), path })
}

fn a_condition() -> impl Strategy<Value = Condition> {
    let operand = prop_oneof!["[a-z0-9]{1,4}", "[ -~é]{0,8}", r"\{[a-c,]{0,5}\}"];
    let comparison = (a_field(), any::<bool>(), 0..4_u8, prop::collection::vec(operand, 1..4));
    let leaf = comparison.prop_map(|(field, is_negated, kind, operands)| {
        use mantis_dialect::{Comparison, Is, Quantifier, Subject};
        let text = Operand::Text(operands[0].clone().into());
        let (operator, quantifier, operand) = match kind {
            0 => {
                (Operator::In, None, Operand::List(operands.into_iter().map(|one| Operand::Text(one.into())).collect()))
            }
            1 => (Operator::Is, None, Operand::Is(Is::NotNull)),
            2 => (Operator::Like, Some(Quantifier::Any), text),
            _ => (Operator::Equal, None, text),
        };
        let subject = Subject { field, aggregate: None };
        let condition = Condition::Compare(Comparison { subject, operator, quantifier, operand });
        if is_negated { Condition::Not(Box::new(condition)) } else { condition }
    });
    leaf.prop_recursive(4, 24, 3, |inner| {
        (prop::collection::vec(inner, 1..4), 0..4_u8).prop_map(|(all, kind)| match kind {
            0 => Condition::And(all),
            1 => Condition::Or(all),
            2 => Condition::Not(Box::new(Condition::And(all))),
            _ => Condition::Not(Box::new(Condition::Or(all))),
        })
    })
}

proptest! {
    #[test]
    fn what_is_written_parses_to_the_same(condition in a_condition()) {
        let text = format!("({condition})");
        let parsed = Parser::default().query([("and", &*text)]);
        let parsed = parsed.map(|query| query.root.filter);
        prop_assert_eq!(parsed, Ok(vec![Condition::And(vec![condition])]), "{}", text);
    }

    #[test]
    fn any_text_parses_or_is_refused_within_itself(name in "[ -~é]{0,12}", value in r#"[-(){}"\\,.:!>*a-eé$1 ]{0,24}"#) {
        for name in [&*name, "select", "order", "or", "limit", "columns", "t.order", "having"] {
            if let Err(error) = Parser::default().query([(name, &*value)]) {
                prop_assert!(error.offset() <= error.text().len());
                prop_assert!(!error.to_string().is_empty() && error.column() >= 1);
            }
        }
    }

    #[test]
    fn a_select_that_is_written_parses_to_the_same(text in r#"[a-c(),:!>"*-]{0,24}"#) {
        if let Ok(select) = Parser::default().select(&text) {
            let again = select.iter().map(Selection::to_string).collect::<Vec<_>>().join(",");
            prop_assert_eq!(Parser::default().select(&again), Ok(select), "{} as {}", text, again);
        }
    }
}
