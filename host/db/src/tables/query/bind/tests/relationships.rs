//! Which relationship an embed means, and what is said where it means none or several.

use serde_json::json;

use super::check::{Asked, check, refuse, refuse_with_hint};
use crate::tables::code;

#[test]
fn targets_are_tables_foreign_keys_and_columns() {
    check("authors?select=cities(id)", "authors[cities:{0}] {cities: one city_id=id cities[id]}");
    check("authors?select=city_id(id)", "authors[city_id:{0}] {city_id: one city_id=id cities[id]}");
    check(
        "authors?select=authors_city_id_fkey(id)",
        "authors[authors_city_id_fkey:{0}] {authors_city_id_fkey: one city_id=id cities[id]}",
    );
    check("cities?select=authors(id)", "cities[authors:{0}] {authors: many id=city_id authors[id]}");
    check(
        "cities?select=authors_city_id_fkey(id)",
        "cities[authors_city_id_fkey:{0}] {authors_city_id_fkey: many id=city_id authors[id]}",
    );
    check("rooms?select=readings(id)", "rooms[readings:{0}] {readings: many house,number=house,number readings[id]}");
    check(
        "readings?select=reading_room(seats)",
        "readings[reading_room:{0}] {reading_room: one house,number=house,number rooms[seats]}",
    );
    check("readings?select=rooms(seats)", "readings[rooms:{0}] {rooms: one house,number=house,number rooms[seats]}");
}

#[test]
fn a_unique_foreign_key_is_one_to_one() {
    check("passports?select=authors(id)", "passports[authors:{0}] {authors: one author_id=id authors[id]}");
    check("authors?select=passports(number)", "authors[passports:{0}] {passports: one id=author_id passports[number]}");
    check(
        "authors?select=passports!author_id(number)",
        "authors[passports:{0}] {passports: one id=author_id passports[number]}",
    );
    check("passports?select=authors!id(name)", "passports[authors:{0}] {authors: one author_id=id authors[name]}");
}

#[test]
fn hints_choose() {
    check(
        "flights?select=id,origin:cities!origin_id(name),target:cities!flights_target_id_fkey(name)",
        "flights[id, origin:{0}, target:{1}] {origin: one origin_id=id cities[name]; target: one target_id=id cities[name]}",
    );
    check("cities?select=got:flights!target_id(id)", "cities[got:{0}] {got: many id=target_id flights[id]}");
    check(
        "cities?select=flights!flights_origin_id_fkey(id)",
        "cities[flights:{0}] {flights: many id=origin_id flights[id]}",
    );
    check(
        "cities?select=flights!inner!origin_id(id)",
        "cities[flights:{0}] {flights: inner many id=origin_id flights[id]}",
    );
}

#[test]
fn a_self_reference_has_two_ways() {
    check("authors?select=id,authors(id)", "authors[id, authors:{0}] {authors: many id=teacher_id authors[id]}");
    check(
        "authors?select=id,teacher_id(id)",
        "authors[id, teacher_id:{0}] {teacher_id: one teacher_id=id authors[id]}",
    );
    check(
        "authors?select=pupils:authors!teacher_id(id)",
        "authors[pupils:{0}] {pupils: many id=teacher_id authors[id]}",
    );
    check("authors?select=t:authors_teacher_id_fkey(id)", "authors[t:{0}] {t: one teacher_id=id authors[id]}");
    // One-to-one with itself.
    check(
        "genres?select=id,genres(id),parent(id)",
        "genres[id, genres:{0}, parent:{1}] {genres: one id=parent genres[id]; parent: one parent=id genres[id]}",
    );
}

#[test]
fn junctions_join_two_tables() {
    check(
        "sites?select=id,plans!jobs(name)",
        "sites[id, plans:{0}] {plans: many id=site_id|jobs|plan_id=id plans[name]}",
    );
    check("plans?select=id,sites!jobs(id)", "plans[id, sites:{0}] {sites: many id=plan_id|jobs|site_id=id sites[id]}");
    let message = "Could not find a relationship between 'cities' and 'plans' in the schema cache";
    refuse("cities?select=plans(name)", code::NO_RELATIONSHIP, message);
}

#[test]
fn several_relationships_are_all_told() {
    let error = refuse(
        "sites?select=*,plans(*)",
        code::AMBIGUOUS_RELATIONSHIP,
        "Could not embed because more than one relationship was found for 'sites' and 'plans'",
    );
    assert!(error.details_are_json);
    let details: serde_json::Value = serde_json::from_str(error.details.as_deref().unwrap()).unwrap();
    let expected = json!([
        {
            "cardinality": "many-to-one",
            "embedding": "sites with plans",
            "relationship": "main_plan using sites(main_plan_id) and plans(id)",
        },
        {
            "cardinality": "many-to-many",
            "embedding": "sites with plans",
            "relationship": "jobs using jobs_site_id_fkey(site_id) and jobs_plan_id_fkey(plan_id)",
        },
    ]);
    assert_eq!(details, expected);
    let hint = "Try changing 'plans' to one of the following: 'plans!main_plan', 'plans!jobs'. Find the desired relationship in the \
                'details' key.";
    assert_eq!(error.hint.as_deref(), Some(hint));
    check("sites?select=id,plans!main_plan(name)", "sites[id, plans:{0}] {plans: one main_plan_id=id plans[name]}");
    let message = "Could not embed because more than one relationship was found for 'cities' and 'flights'";
    refuse("cities?select=name,flights(id)", code::AMBIGUOUS_RELATIONSHIP, message);
}

#[test]
fn no_relationship_has_the_nearest_as_a_hint() {
    let message = |to: &str| format!("Could not find a relationship between 'authors' and '{to}' in the schema cache");
    refuse_with_hint(
        "authors?select=book(id)",
        code::NO_RELATIONSHIP,
        &message("book"),
        "Perhaps you meant 'books' instead of 'book'.",
    );
    let error = refuse("authors?select=flights(id)", code::NO_RELATIONSHIP, &message("flights"));
    let details = "Searched for a foreign key relationship between 'authors' and 'flights' in the schema 'public', but no matches were found.";
    assert_eq!((error.details.as_deref(), &error.hint), (Some(details), &None));
    let error = refuse("authors?select=cities!strange(id)", code::NO_RELATIONSHIP, &message("cities"));
    let details = "Searched for a foreign key relationship between 'authors' and 'cities' using the hint 'strange' in the schema 'public', \
                   but no matches were found.";
    assert_eq!((error.details.as_deref(), &error.hint), (Some(details), &None));
}

#[test]
fn a_table_out_of_sight_is_no_candidate() {
    let message = "Could not find a relationship between 'plans' and 'secrets' in the schema cache";
    let error = refuse("plans?select=secrets(id)", code::NO_RELATIONSHIP, message);
    assert_eq!(error.hint, None);
    assert!(Asked::new("plans?select=visits(id)").bind().is_ok());
}
