"""The packages of PostgREST's and Supabase's users, unmodified, against a running server.

usage: run.py URL

Each call is an entry of a list: its name, the call, and what must come of it: the rows (`data`), their `count`, or the `error`'s code.
"""
import json
import pathlib
import sys
import urllib.error
import urllib.request

from postgrest import APIError, CountMethod, ReturnMethod, SyncPostgrestClient
from supabase import create_client

TABLES = json.loads((pathlib.Path(__file__).parent.parent / "tables.json").read_text())
ALL_BANDS = ["Tide Clocks", "Glass Moth", "Fjord Radio", 'Odd, "Even"']


def bands(db, columns="name"):
    return db.from_("bands").select(columns)


READS = [
    ("all rows", lambda db: db.from_("shops").select("*"), [{"code": "LIS", "city": "Lisbon"}, {"code": "OSL", "city": "Oslo"}]),
    ("columns", lambda db: db.from_("labels").select("name", "country").order("id").limit(1), [{"name": "Harbour", "country": "PT"}]),
    ("a renamed column", lambda db: db.from_("labels").select("title:name").eq("id", 2), [{"title": "Northlight"}]),
    ("a cast", lambda db: db.from_("labels").select("id::text").eq("id", 2), [{"id": "2"}]),
    ("a JSON path", lambda db: bands(db, "city:details->home->>city").eq("id", 1), [{"city": "Porto"}]),
    ("an element of a JSON list", lambda db: bands(db, "details->awards->-1").eq("id", 1), [{"awards": 1}]),
    ("eq", lambda db: bands(db).eq("members", 5), ["Tide Clocks"]),
    ("eq with a comma", lambda db: bands(db).eq("name", 'Odd, "Even"'), ['Odd, "Even"']),
    ("neq", lambda db: bands(db).neq("members", 5).order("id"), ALL_BANDS[1:]),
    ("gt", lambda db: bands(db).gt("members", 4), ["Tide Clocks"]),
    ("gte", lambda db: bands(db).gte("members", 4).order("id"), ["Tide Clocks", "Fjord Radio"]),
    ("lt", lambda db: bands(db).lt("members", 3), ['Odd, "Even"']),
    ("lte", lambda db: bands(db).lte("members", 3).order("id"), ["Glass Moth", 'Odd, "Even"']),
    ("like", lambda db: bands(db).like("name", "%Moth"), ["Glass Moth"]),
    ("like with stars", lambda db: bands(db).like("name", "*Moth"), ["Glass Moth"]),
    ("ilike", lambda db: bands(db).ilike("name", "%RADIO%"), ["Fjord Radio"]),
    ("like any of", lambda db: bands(db).like_any_of("name", "Tide%,Glass%").order("id"), ["Tide Clocks", "Glass Moth"]),
    ("like all of", lambda db: bands(db).like_all_of("name", "%o%,%d%").order("id"), ["Tide Clocks", "Fjord Radio"]),
    ("ilike any of", lambda db: bands(db).ilike_any_of("name", "TIDE%,x%"), ["Tide Clocks"]),
    ("ilike all of", lambda db: bands(db).ilike_all_of("name", "%CLOCK%,tide%"), ["Tide Clocks"]),
    ("is null", lambda db: bands(db).is_("label_id", None), ['Odd, "Even"']),
    ("is null by its name", lambda db: bands(db).is_("label_id", "null"), ['Odd, "Even"']),
    ("is true", lambda db: bands(db).is_("is_active", True).order("id"), ["Tide Clocks", "Fjord Radio"]),
    ("is false", lambda db: bands(db).is_("is_active", "false"), ["Glass Moth"]),
    ("in", lambda db: bands(db).in_("id", [1, 3]).order("id"), ["Tide Clocks", "Fjord Radio"]),
    ("in with quotes", lambda db: bands(db).in_("name", ['Odd, "Even"', "none"]), ['Odd, "Even"']),
    ("in of nothing", lambda db: bands(db).in_("id", []), []),
    ("not in", lambda db: bands(db).not_.in_("id", [1, 3]).order("id"), ["Glass Moth", 'Odd, "Even"']),
    ("not null", lambda db: bands(db).not_.is_("label_id", "null").order("id"), ALL_BANDS[:3]),
    ("not eq", lambda db: bands(db).not_.eq("members", 5).order("id"), ALL_BANDS[1:]),
    ("an array contains", lambda db: bands(db).contains("styles", ["jazz"]).order("id"), ["Tide Clocks", "Glass Moth"]),
    ("cs", lambda db: bands(db).cs("styles", ["jazz", "folk"]), ["Tide Clocks"]),
    ("an array is contained", lambda db: bands(db).contained_by("styles", ["jazz", "rock"]).order("id"), ["Glass Moth", 'Odd, "Even"']),
    ("cd", lambda db: bands(db).cd("styles", ["jazz"]).order("id"), ["Glass Moth", 'Odd, "Even"']),
    ("arrays overlap", lambda db: bands(db).ov("styles", ["ambient", "folk"]).order("id"), ["Tide Clocks", "Fjord Radio"]),
    ("overlaps", lambda db: bands(db).overlaps("styles", ["ambient"]), ["Fjord Radio"]),
    ("JSON contains", lambda db: bands(db).contains("details", {"home": {"city": "Faro"}}), ["Glass Moth"]),
    ("a filter on a JSON path", lambda db: bands(db).eq("details->home->>city", "Bergen"), ["Fjord Radio"]),
    ("match", lambda db: bands(db).match({"label_id": 1, "members": 3}), ["Glass Moth"]),
    ("or", lambda db: bands(db).or_("members.eq.5,label_id.is.null").order("id"), ["Tide Clocks", 'Odd, "Even"']),
    ("or with and inside", lambda db: bands(db).or_("id.eq.2,and(members.gt.3,is_active.is.true)").order("id"), ALL_BANDS[:3]),
    ("a filter by name", lambda db: bands(db).filter("name", "in", '("Tide Clocks","Glass Moth")').order("id"), ALL_BANDS[:2]),
    ("a regular expression", lambda db: bands(db).filter("name", "match", "^Fj.*o$"), ["Fjord Radio"]),
    ("is distinct", lambda db: bands(db).filter("label_id", "isdistinct", "1").order("id"), ["Fjord Radio", 'Odd, "Even"']),
    ("a date", lambda db: db.from_("labels").select("name").gte("founded", "1990-01-01"), ["Northlight"]),
    ("a time", lambda db: bands(db).lt("formed_at", "1990-01-01T00:00:00Z"), ["Glass Moth"]),
    ("a number", lambda db: bands(db).gte("score", 8.25).order("score"), ["Tide Clocks", "Fjord Radio"]),
    ("order, descending", lambda db: bands(db).order("members", desc=True).limit(2), ["Tide Clocks", "Fjord Radio"]),
    ("order, nulls first", lambda db: bands(db).order("score", nullsfirst=True).limit(2), ['Odd, "Even"', "Glass Moth"]),
    ("order, nulls last", lambda db: bands(db).order("score", desc=True, nullsfirst=False).limit(1), ["Fjord Radio"]),
    ("order by two columns", lambda db: db.from_("albums").select("title").order("band_id", desc=True).order("year").limit(2), [{"title": "Static"}, {"title": "Signal"}]),
    ("limit", lambda db: bands(db, "id").order("id").limit(1), [{"id": 1}]),
    ("offset", lambda db: bands(db, "id").order("id").limit(1).offset(2), [{"id": 3}]),
    ("range", lambda db: bands(db, "id").order("id").range(1, 2), [{"id": 2}, {"id": 3}]),
    ("an aggregate", lambda db: db.from_("albums").select("price.sum()"), [{"sum": 50}]),
    ("a group", lambda db: db.from_("albums").select("band_id,count()").order("band_id"), [{"band_id": 1, "count": 2}, {"band_id": 2, "count": 1}, {"band_id": 3, "count": 2}]),
    ("a to-one embed", lambda db: db.from_("albums").select("title,bands(name)").eq("id", 3), [{"title": "Lamp", "bands": {"name": "Glass Moth"}}]),
    ("a to-many embed", lambda db: bands(db, "name,albums(title)").eq("id", 1).order("title", foreign_table="albums"), [{"name": "Tide Clocks", "albums": [{"title": "Ebb"}, {"title": "Salt"}]}]),
    ("a limited embed", lambda db: bands(db, "name,albums(title)").eq("id", 3).order("id", foreign_table="albums").limit(1, foreign_table="albums"), [{"name": "Fjord Radio", "albums": [{"title": "Static"}]}]),
    ("a nested embed", lambda db: db.from_("labels").select("name,bands(name,albums(year))").eq("id", 1).eq("bands.members", 3), [{"name": "Harbour", "bands": [{"name": "Glass Moth", "albums": [{"year": 1991}]}]}]),
    ("a many-to-many embed", lambda db: db.from_("shops").select("city,albums(title)").eq("code", "LIS").order("title", foreign_table="albums"), [{"city": "Lisbon", "albums": [{"title": "Lamp"}, {"title": "Salt"}]}]),
    ("an inner embed", lambda db: db.from_("labels").select("name,bands!inner(name)").eq("bands.members", 3), [{"name": "Harbour", "bands": [{"name": "Glass Moth"}]}]),
    ("or on an embed", lambda db: bands(db, "name,albums(title)").eq("id", 1).or_("year.lt.2005,price.gt.100", reference_table="albums"), [{"name": "Tide Clocks", "albums": [{"title": "Salt"}]}]),
    ("a spread", lambda db: db.from_("albums").select("title,...bands(band:name)").eq("id", 3), [{"title": "Lamp", "band": "Glass Moth"}]),
    ("a count of embedded rows", lambda db: bands(db, "name,albums(count)").eq("id", 1), [{"name": "Tide Clocks", "albums": [{"count": 2}]}]),
    ("rows without embedded rows", lambda db: bands(db, "name,albums()").is_("albums", "null"), ['Odd, "Even"']),
    ("single", lambda db: db.from_("labels").select("name").eq("id", 1).single(), {"name": "Harbour"}),
    ("maybe single", lambda db: db.from_("labels").select("name").eq("id", 2).maybe_single(), {"name": "Northlight"}),
    ("CSV", lambda db: db.from_("shops").select("*").order("code").csv(), "code,city\nLIS,Lisbon\nOSL,Oslo"),
    ("nulls left out", lambda db: db.from_("labels").select("name,country").eq("id", 3).strip_nulls(), [{"name": "Paper Boat"}]),
    ("count, exact", lambda db: db.from_("bands").select("id", count=CountMethod.exact).order("id").limit(1), 4),
    ("count, planned", lambda db: db.from_("bands").select("id", count=CountMethod.planned), 4),
    ("count, estimated", lambda db: db.from_("bands").select("id", count=CountMethod.estimated), 4),
    ("count without rows", lambda db: db.from_("bands").select("*", count=CountMethod.exact, head=True).eq("label_id", 1), 2),
    ("single without a row", lambda db: db.from_("labels").select("name").eq("id", 99).single(), APIError({"code": "PGRST116"})),
    ("single with two rows", lambda db: db.from_("shops").select("*").single(), APIError({"code": "PGRST116"})),
    ("a table that is not there", lambda db: db.from_("bandz").select("*"), APIError({"code": "PGRST205"})),
    ("a column that is not there", lambda db: bands(db, "nme"), APIError({"code": "42703"})),
    ("a value of another type", lambda db: bands(db).eq("members", "many"), APIError({"code": "22P02"})),
    ("a relation that is not there", lambda db: bands(db, "shops(*)"), APIError({"code": "PGRST200"})),
]

WRITES = [
    ("insert", lambda db: db.from_("labels").insert({"name": "New", "country": "SE"}), [{"id": 4, "name": "New", "country": "SE", "founded": None}]),
    ("insert, minimal", lambda db: db.from_("labels").insert({"name": "New"}, returning=ReturnMethod.minimal), []),
    ("insert several", lambda db: db.from_("shops").insert([{"code": "ROM", "city": "Rome"}, {"code": "BER", "city": "Berlin"}]), [{"code": "ROM", "city": "Rome"}, {"code": "BER", "city": "Berlin"}]),
    ("insert with defaults", lambda db: db.from_("stock").insert([{"shop_code": "OSL", "album_id": 2}, {"shop_code": "OSL", "album_id": 3, "copies": 4}], default_to_null=False), [{"shop_code": "OSL", "album_id": 2, "copies": 0}, {"shop_code": "OSL", "album_id": 3, "copies": 4}]),
    ("insert and count", lambda db: db.from_("shops").insert([{"code": "ROM", "city": "Rome"}], count=CountMethod.exact), 1),
    ("insert a key that is there", lambda db: db.from_("shops").insert({"code": "LIS", "city": "x"}), APIError({"code": "23505"})),
    ("insert without a value that must be", lambda db: db.from_("shops").insert({"code": "ROM"}), APIError({"code": "23502"})),
    ("insert without a parent", lambda db: db.from_("albums").insert({"band_id": 77, "title": "x"}), APIError({"code": "23503"})),
    ("upsert", lambda db: db.from_("shops").upsert({"code": "LIS", "city": "Lisboa"}), [{"code": "LIS", "city": "Lisboa"}]),
    ("upsert on a unique column", lambda db: db.from_("labels").upsert({"name": "Harbour", "country": "ES"}, on_conflict="name"), [{"id": 1, "name": "Harbour", "country": "ES", "founded": "1971-05-02"}]),
    ("upsert that ignores", lambda db: db.from_("shops").upsert([{"code": "LIS", "city": "x"}, {"code": "ROM", "city": "Rome"}], ignore_duplicates=True), [{"code": "ROM", "city": "Rome"}]),
    ("update", lambda db: db.from_("shops").update({"city": "Lisboa"}).eq("code", "LIS"), [{"code": "LIS", "city": "Lisboa"}]),
    ("update and count", lambda db: db.from_("bands").update({"members": 6}, count=CountMethod.exact).eq("label_id", 1), 2),
    ("update more than allowed", lambda db: db.from_("bands").update({"members": 6}).gt("id", 0).max_affected(2), APIError({"code": "PGRST124"})),
    ("delete", lambda db: db.from_("stock").delete().eq("shop_code", "OSL").eq("album_id", 4), [{"shop_code": "OSL", "album_id": 4, "copies": 7}]),
    ("delete and count", lambda db: db.from_("albums").delete(count=CountMethod.exact).in_("id", [4, 5]), 2),
    ("delete a parent", lambda db: db.from_("labels").delete().eq("id", 1), APIError({"code": "23503"})),
]

STANDINGS = [{"player": "ida", "score": 90, "rank": 1}, {"player": "jon", "score": 70, "rank": 2}, {"player": "kim", "score": 70, "rank": 2}]
# Of `leaderboard`, which may write, and of `standings`, the same plugin, which may not.
FUNCTIONS = [
    ("a function", lambda db: db.rpc("leaderboard.top", {"n": 10}), STANDINGS),
    ("a function, filtered", lambda db: db.rpc("leaderboard.top", {"n": 10}).lt("score", 80).order("player", desc=True), STANDINGS[:0:-1]),
    ("a function, columns", lambda db: db.rpc("leaderboard.top", {"n": 10}).select("player").limit(1), [{"player": "ida"}]),
    ("a function, counted", lambda db: db.rpc("leaderboard.top", {"n": 10}, count=CountMethod.exact).limit(1), 3),
    ("a function, only counted", lambda db: db.rpc("standings.top", {"n": 10}, count=CountMethod.exact, head=True), 3),
    ("a function, one row", lambda db: db.rpc("leaderboard.top", {"n": 1}).single(), STANDINGS[0]),
    ("a function by GET", lambda db: db.rpc("standings.top", {"n": 2}, get=True), STANDINGS[:2]),
    ("a function by GET, filtered", lambda db: db.rpc("standings.top", {"n": 3}, get=True).eq("rank", 2), STANDINGS[1:]),
    ("a function by GET that may write", lambda db: db.rpc("leaderboard.top", {"n": 2}, get=True), APIError({"code": "PGRST101"})),
    ("a value", lambda db: db.rpc("leaderboard.standing_of", {"player": "kim"}), STANDINGS[2]),
    ("an error of the function", lambda db: db.rpc("leaderboard.top", {"n": 1001}), APIError({"code": "P0001"})),
    ("an argument that is not there", lambda db: db.rpc("leaderboard.top", {"m": 10}), APIError({"code": "PGRST202"})),
    ("a function that is not there", lambda db: db.rpc("leaderboard.bottom", {}), APIError({"code": "PGRST202"})),
]
COMPONENT = pathlib.Path(__file__).parents[3] / "guest/target/components/leaderboard.wasm"


def install(base):
    for name, access in (("leaderboard", "write"), ("standings", "read")):
        url = f"{base}/api/v1/plugins/{name}?buckets=leaderboard:{access}"
        headers = {"content-type": "application/wasm"}
        urllib.request.urlopen(urllib.request.Request(url, COMPONENT.read_bytes(), headers, method="PUT")).read()
    for row in STANDINGS:
        arguments = {"player": row["player"], "score": row["score"]}
        send(base, "POST", "plugins/leaderboard/call/submit", arguments)


def send(base, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{base}/api/v1/{path}", data, {"content-type": "application/json"}, method=method)
    try:
        urllib.request.urlopen(request).read()
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise SystemExit(f"{method} {path}: {error.code} {error.read()!r}") from error


def reset(base):
    for entry in reversed(TABLES):
        send(base, "DELETE", f"schema/tables/{entry['table']}")
    for entry in TABLES:
        send(base, "PUT", f"schema/tables/{entry['table']}", entry["schema"])
        send(base, "POST", f"tables/{entry['table']}", entry["rows"])


def fault(db, call, expected):
    """What is wrong with the outcome of a call; none where it is as expected."""
    try:
        result = call(db).execute()
    except APIError as error:
        if isinstance(expected, APIError) and error.code == expected.code:
            return None
        return f"failed: {error}"
    if isinstance(expected, APIError):
        return f"did not fail: {result}"
    if isinstance(expected, int):
        return None if result.count == expected else f"count {result.count}, not {expected}"
    data = result.data
    if isinstance(expected, list) and expected and isinstance(expected[0], str):
        data = [row["name"] for row in data]
    return None if data == expected else f"{data}, not {expected}"


def main(base):
    clients = {
        "postgrest-py": SyncPostgrestClient(f"{base}/rest/v1"),
        "supabase-py": create_client(base, "a.key.that-nobody-checks"),
    }
    failed = 0
    for name, client in clients.items():
        reset(base)
        install(base)
        passed = 0
        for is_write, calls in ((False, READS), (False, FUNCTIONS), (True, WRITES)):
            for what, call, expected in calls:
                if is_write:
                    reset(base)
                wrong = fault(client, call, expected)
                if wrong:
                    print(f"FAIL {name}: {what}: {wrong}")
                    failed += 1
                else:
                    passed += 1
        print(f"{name}: {passed} passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].rstrip("/")))
