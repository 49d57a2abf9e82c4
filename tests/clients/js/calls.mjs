// Calls of the query builder that both packages have, and what each must return.
//
// An entry: what it shows, the call, and what of the result is compared. `data` is compared as JSON; `error` by its code. Calls run in
// their order, each against the tables as they are at first.

const names = (rows) => rows.map((row) => row.name);

/** Reads. */
export const reads = [
  ['all rows', (db) => db.from('shops').select(), { data: [{ code: 'LIS', city: 'Lisbon' }, { code: 'OSL', city: 'Oslo' }] }],
  ['columns', (db) => db.from('labels').select('name,country').order('id').limit(1), { data: [{ name: 'Harbour', country: 'PT' }] }],
  ['a renamed column', (db) => db.from('labels').select('title:name').eq('id', 2), { data: [{ title: 'Northlight' }] }],
  ['a cast', (db) => db.from('labels').select('id::text').eq('id', 2), { data: [{ id: '2' }] }],
  ['a JSON path', (db) => db.from('bands').select('city:details->home->>city').eq('id', 1), { data: [{ city: 'Porto' }] }],
  ['an element of a JSON list', (db) => db.from('bands').select('details->awards->0').eq('id', 1), { data: [{ awards: 3 }] }],
  ['eq', (db) => db.from('bands').select('name').eq('members', 5), { data: [{ name: 'Tide Clocks' }] }],
  ['neq', (db) => db.from('bands').select('name').neq('members', 5).order('id'), { names: ['Glass Moth', 'Fjord Radio', 'Odd, "Even"'] }],
  ['gt', (db) => db.from('bands').select('name').gt('members', 4), { names: ['Tide Clocks'] }],
  ['gte', (db) => db.from('bands').select('name').gte('members', 4).order('id'), { names: ['Tide Clocks', 'Fjord Radio'] }],
  ['lt', (db) => db.from('bands').select('name').lt('members', 3), { names: ['Odd, "Even"'] }],
  ['lte', (db) => db.from('bands').select('name').lte('members', 3).order('id'), { names: ['Glass Moth', 'Odd, "Even"'] }],
  ['like', (db) => db.from('bands').select('name').like('name', '%Moth'), { names: ['Glass Moth'] }],
  ['ilike', (db) => db.from('bands').select('name').ilike('name', '%RADIO%'), { names: ['Fjord Radio'] }],
  ['like any of', (db) => db.from('bands').select('name').likeAnyOf('name', ['Tide%', 'Glass%']).order('id'), { names: ['Tide Clocks', 'Glass Moth'] }],
  ['like all of', (db) => db.from('bands').select('name').likeAllOf('name', ['%o%', '%d%']).order('id'), { names: ['Tide Clocks', 'Fjord Radio'] }],
  ['ilike any of', (db) => db.from('bands').select('name').ilikeAnyOf('name', ['TIDE%', 'x%']), { names: ['Tide Clocks'] }],
  ['ilike all of', (db) => db.from('bands').select('name').ilikeAllOf('name', ['%CLOCK%', 'tide%']), { names: ['Tide Clocks'] }],
  ['a regular expression', (db) => db.from('bands').select('name').regexMatch('name', '^Fj.*o$'), { names: ['Fjord Radio'] }],
  ['a regular expression without case', (db) => db.from('bands').select('name').regexIMatch('name', '^fj'), { names: ['Fjord Radio'] }],
  ['is null', (db) => db.from('bands').select('name').is('label_id', null), { names: ['Odd, "Even"'] }],
  ['is true', (db) => db.from('bands').select('name').is('is_active', true).order('id'), { names: ['Tide Clocks', 'Fjord Radio'] }],
  ['is distinct', (db) => db.from('bands').select('name').isDistinct('label_id', 1).order('id'), { names: ['Fjord Radio', 'Odd, "Even"'] }],
  ['in', (db) => db.from('bands').select('name').in('id', [1, 3]).order('id'), { names: ['Tide Clocks', 'Fjord Radio'] }],
  ['in, with a comma', (db) => db.from('shops').select('code').in('city', ['Oslo', 'a, b']), { data: [{ code: 'OSL' }] }],
  ['in, with quotes, which the client does not escape', (db) => db.from('bands').select('id').in('name', ['Odd, "Even"']), { data: [] }],
  ['not in', (db) => db.from('bands').select('name').notIn('id', [1, 3]).order('id'), { names: ['Glass Moth', 'Odd, "Even"'] }],
  ['an array contains', (db) => db.from('bands').select('name').contains('styles', ['jazz']).order('id'), { names: ['Tide Clocks', 'Glass Moth'] }],
  ['an array is contained', (db) => db.from('bands').select('name').containedBy('styles', ['jazz', 'rock']).order('id'), { names: ['Glass Moth', 'Odd, "Even"'] }],
  ['arrays overlap', (db) => db.from('bands').select('name').overlaps('styles', ['ambient', 'folk']).order('id'), { names: ['Tide Clocks', 'Fjord Radio'] }],
  ['JSON contains', (db) => db.from('bands').select('name').contains('details', { home: { city: 'Faro' } }), { names: ['Glass Moth'] }],
  ['a filter on a JSON path', (db) => db.from('bands').select('name').eq('details->home->>city', 'Bergen'), { names: ['Fjord Radio'] }],
  ['match', (db) => db.from('bands').select('name').match({ label_id: 1, members: 3 }), { names: ['Glass Moth'] }],
  ['not', (db) => db.from('bands').select('name').not('label_id', 'is', null).order('id'), { names: ['Tide Clocks', 'Glass Moth', 'Fjord Radio'] }],
  ['or', (db) => db.from('bands').select('name').or('members.eq.5,label_id.is.null').order('id'), { names: ['Tide Clocks', 'Odd, "Even"'] }],
  ['or with and inside', (db) => db.from('bands').select('name').or('id.eq.2,and(members.gt.3,is_active.is.true)').order('id'), { names: ['Tide Clocks', 'Glass Moth', 'Fjord Radio'] }],
  ['a filter by name', (db) => db.from('bands').select('name').filter('name', 'in', '("Tide Clocks","Glass Moth")').order('id'), { names: ['Tide Clocks', 'Glass Moth'] }],
  ['a date', (db) => db.from('labels').select('name').gte('founded', '1990-01-01'), { names: ['Northlight'] }],
  ['a time', (db) => db.from('bands').select('name').lt('formed_at', '1990-01-01T00:00:00Z'), { names: ['Glass Moth'] }],
  ['order, descending', (db) => db.from('bands').select('name').order('members', { ascending: false }).limit(2), { names: ['Tide Clocks', 'Fjord Radio'] }],
  ['order, nulls first', (db) => db.from('bands').select('name').order('score', { nullsFirst: true }).limit(2), { names: ['Odd, "Even"', 'Glass Moth'] }],
  ['order by two columns', (db) => db.from('albums').select('title').order('band_id', { ascending: false }).order('year', { ascending: true }).limit(2), { titles: ['Static', 'Signal'] }],
  ['limit', (db) => db.from('bands').select('id').order('id').limit(1), { data: [{ id: 1 }] }],
  ['range', (db) => db.from('bands').select('id').order('id').range(1, 2), { data: [{ id: 2 }, { id: 3 }] }],
  ['count, exact', (db) => db.from('bands').select('id', { count: 'exact' }).limit(1).order('id'), { data: [{ id: 1 }], count: 4 }],
  ['count, planned', (db) => db.from('bands').select('*', { count: 'planned', head: true }), { count: 4 }],
  ['count, estimated', (db) => db.from('bands').select('*', { count: 'estimated', head: true }), { count: 4 }],
  ['count without rows', (db) => db.from('bands').select('*', { count: 'exact', head: true }).eq('label_id', 1), { count: 2, data: null }],
  ['single', (db) => db.from('labels').select('name').eq('id', 1).single(), { data: { name: 'Harbour' } }],
  ['single without a row', (db) => db.from('labels').select('name').eq('id', 99).single(), { error: 'PGRST116', status: 406 }],
  ['single with two rows', (db) => db.from('shops').select().single(), { error: 'PGRST116', status: 406 }],
  ['maybeSingle', (db) => db.from('labels').select('name').eq('id', 2).maybeSingle(), { data: { name: 'Northlight' } }],
  ['maybeSingle without a row', (db) => db.from('labels').select('name').eq('id', 99).maybeSingle(), { data: null }],
  ['CSV', (db) => db.from('shops').select().order('code').csv(), { data: 'code,city\nLIS,Lisbon\nOSL,Oslo' }],
  ['a plan', (db) => db.from('bands').select('name').eq('id', 1).explain({ format: 'json' }), { plan: true }],
  ['a plan as text', (db) => db.from('bands').select('name').eq('id', 1).explain(), { plan: true }],
  ['nulls left out', (db) => db.from('labels').select('name,country').eq('id', 3).stripNulls(), { data: [{ name: 'Paper Boat' }] }],
  ['an aggregate', (db) => db.from('albums').select('price.sum()'), { data: [{ sum: 50 }] }],
  ['a group', (db) => db.from('albums').select('band_id,count()').order('band_id'), { data: [{ band_id: 1, count: 2 }, { band_id: 2, count: 1 }, { band_id: 3, count: 2 }] }],
  ['a to-one embed', (db) => db.from('albums').select('title,bands(name)').eq('id', 3), { data: [{ title: 'Lamp', bands: { name: 'Glass Moth' } }] }],
  ['a to-many embed', (db) => db.from('bands').select('name,albums(title)').eq('id', 1).order('title', { referencedTable: 'albums' }), { data: [{ name: 'Tide Clocks', albums: [{ title: 'Ebb' }, { title: 'Salt' }] }] }],
  ['a nested embed', (db) => db.from('labels').select('name,bands(name,albums(title))').eq('id', 2).order('title', { referencedTable: 'bands.albums' }), { data: [{ name: 'Northlight', bands: [{ name: 'Fjord Radio', albums: [{ title: 'Signal' }, { title: 'Static' }] }] }] }],
  ['a many-to-many embed', (db) => db.from('shops').select('city,albums(title)').eq('code', 'LIS').order('title', { referencedTable: 'albums' }), { data: [{ city: 'Lisbon', albums: [{ title: 'Lamp' }, { title: 'Salt' }] }] }],
  ['an inner embed', (db) => db.from('labels').select('name,bands!inner(name)').eq('bands.members', 3), { data: [{ name: 'Harbour', bands: [{ name: 'Glass Moth' }] }] }],
  ['an embed by constraint', (db) => db.from('albums').select('title,band:bands!albums_band_id_fkey(name)').eq('id', 1), { data: [{ title: 'Salt', band: { name: 'Tide Clocks' } }] }],
  ['a filtered embed', (db) => db.from('bands').select('name,albums(title)').eq('id', 1).gt('albums.year', 2005), { data: [{ name: 'Tide Clocks', albums: [{ title: 'Ebb' }] }] }],
  ['a limited embed', (db) => db.from('bands').select('name,albums(title)').eq('id', 3).order('id', { referencedTable: 'albums' }).limit(1, { referencedTable: 'albums' }), { data: [{ name: 'Fjord Radio', albums: [{ title: 'Static' }] }] }],
  ['a spread', (db) => db.from('albums').select('title,...bands(band:name)').eq('id', 3), { data: [{ title: 'Lamp', band: 'Glass Moth' }] }],
  ['order by an embedded column', (db) => db.from('albums').select('title,bands(name)').order('bands(name)').order('id').limit(2), { titles: ['Static', 'Signal'] }],
  ['or on an embed', (db) => db.from('bands').select('name,albums(title)').eq('id', 1).or('year.lt.2005,price.gt.100', { referencedTable: 'albums' }), { data: [{ name: 'Tide Clocks', albums: [{ title: 'Salt' }] }] }],
  ['rows without embedded rows', (db) => db.from('bands').select('name,albums()').is('albums', null), { names: ['Odd, "Even"'] }],
  ['a count of embedded rows', (db) => db.from('bands').select('name,albums(count)').eq('id', 1), { data: [{ name: 'Tide Clocks', albums: [{ count: 2 }] }] }],
  ['a table that is not there', (db) => db.from('bandz').select(), { error: 'PGRST205', status: 404 }],
  ['a column that is not there', (db) => db.from('bands').select('nme'), { error: '42703', status: 400 }],
  ['a value of another type', (db) => db.from('bands').select().eq('members', 'many'), { error: '22P02', status: 400 }],
  ['a relation that is not there', (db) => db.from('bands').select('shops(*)'), { error: 'PGRST200', status: 400 }],
  ['a throw', async (db) => {
    try {
      await db.from('bandz').select().throwOnError();
      return { data: 'no error' };
    } catch (error) {
      return { data: error.code };
    }
  }, { data: 'PGRST205' }],
];

/** Writes: each begins with the tables as they are at first. */
export const writes = [
  ['insert', (db) => db.from('labels').insert({ name: 'New' }), { status: 201, data: null }],
  ['insert and select', (db) => db.from('labels').insert({ name: 'New', country: 'SE' }).select('id,name'), { status: 201, data: [{ id: 4, name: 'New' }] }],
  ['insert one and select it', (db) => db.from('labels').insert({ name: 'New' }).select('id').single(), { data: { id: 4 } }],
  ['insert several', (db) => db.from('shops').insert([{ code: 'ROM', city: 'Rome' }, { code: 'BER', city: 'Berlin' }]).select('code').order('code'), { data: [{ code: 'BER' }, { code: 'ROM' }] }],
  ['insert several with different keys', (db) => db.from('bands').insert([{ name: 'A' }, { name: 'B', members: 1 }], { defaultToNull: false }).select('name,members').order('name'), { data: [{ name: 'A', members: 4 }, { name: 'B', members: 1 }] }],
  ['insert and count', (db) => db.from('shops').insert([{ code: 'ROM', city: 'Rome' }], { count: 'exact' }), { count: 1 }],
  ['insert JSON and arrays', (db) => db.from('bands').insert({ name: 'C', styles: ['a', 'b c'], details: { x: [1, { y: null }] } }).select('styles,details').single(), { data: { styles: ['a', 'b c'], details: { x: [1, { y: null }] } } }],
  ['insert with an embed', (db) => db.from('albums').insert({ band_id: 2, title: 'New' }).select('title,price,bands(name)').single(), { data: { title: 'New', price: 9.5, bands: { name: 'Glass Moth' } } }],
  ['insert a key that is there', (db) => db.from('shops').insert({ code: 'LIS', city: 'x' }), { error: '23505', status: 409 }],
  ['insert without a value that must be', (db) => db.from('shops').insert({ code: 'ROM' }), { error: '23502', status: 400 }],
  ['insert without a parent', (db) => db.from('albums').insert({ band_id: 77, title: 'x' }), { error: '23503', status: 409 }],
  ['insert against a check', (db) => db.from('albums').insert({ band_id: 1, title: 'x', price: -1 }), { error: '23514', status: 400 }],
  ['insert into a column that is not there', (db) => db.from('shops').insert({ code: 'ROM', town: 'Rome' }), { error: 'PGRST204', status: 400 }],
  ['upsert', (db) => db.from('shops').upsert([{ code: 'LIS', city: 'Lisboa' }, { code: 'ROM', city: 'Rome' }]).select().order('code'), { data: [{ code: 'LIS', city: 'Lisboa' }, { code: 'ROM', city: 'Rome' }] }],
  ['upsert on a unique column', (db) => db.from('labels').upsert({ name: 'Harbour', country: 'ES' }, { onConflict: 'name' }).select('id,country').single(), { data: { id: 1, country: 'ES' } }],
  ['upsert that ignores', (db) => db.from('shops').upsert([{ code: 'LIS', city: 'x' }, { code: 'ROM', city: 'Rome' }], { ignoreDuplicates: true }).select(), { data: [{ code: 'ROM', city: 'Rome' }] }],
  ['update', (db) => db.from('bands').update({ members: 6 }).eq('id', 1), { status: 204, data: null }],
  ['update and select', (db) => db.from('bands').update({ members: 6 }).eq('label_id', 1).select('id,members').order('id'), { data: [{ id: 1, members: 6 }, { id: 2, members: 6 }] }],
  ['update and count', (db) => db.from('bands').update({ members: 6 }, { count: 'exact' }).eq('label_id', 1), { count: 2 }],
  ['update one and select it', (db) => db.from('bands').update({ score: 1.5 }).eq('id', 3).select('score').single(), { data: { score: 1.5 } }],
  ['update no row', (db) => db.from('bands').update({ members: 6 }).eq('id', 99).select(), { data: [] }],
  ['update more than allowed', (db) => db.from('bands').update({ members: 6 }).gt('id', 0).maxAffected(2), { error: 'PGRST124', status: 400 }],
  ['update to null', (db) => db.from('bands').update({ details: null }).eq('id', 1).select('details').single(), { data: { details: null } }],
  ['delete', (db) => db.from('stock').delete().eq('shop_code', 'OSL'), { status: 204, data: null }],
  ['delete and select', (db) => db.from('stock').delete().eq('album_id', 1).select('shop_code').order('shop_code'), { data: [{ shop_code: 'LIS' }, { shop_code: 'OSL' }] }],
  ['delete and count', (db) => db.from('albums').delete({ count: 'exact' }).in('id', [4, 5]), { count: 2 }],
  ['delete with what depends on it', async (db) => {
    await db.from('bands').delete().eq('id', 3);
    return db.from('stock').select('album_id').eq('album_id', 4);
  }, { data: [] }],
  ['delete a parent', (db) => db.from('labels').delete().eq('id', 1), { error: '23503', status: 409 }],
  ['undo at the end', async (db) => {
    await db.from('shops').insert({ code: 'ROM', city: 'Rome' }).rollback();
    return db.from('shops').select('code').eq('code', 'ROM');
  }, { data: [] }],
];

const IDA = { player: 'ida', score: 90, rank: 1 };
const JON = { player: 'jon', score: 70, rank: 2 };
const KIM = { player: 'kim', score: 70, rank: 2 };

/** Calls of functions: of `leaderboard`, which may write, and of `standings`, the same plugin, which may not. */
export const functions = [
  ['a function', (db) => db.rpc('leaderboard.top', { n: 10 }), { data: [IDA, JON, KIM], status: 200 }],
  ['a function, filtered', (db) => db.rpc('leaderboard.top', { n: 10 }).lt('score', 80).order('player', { ascending: false }), { data: [KIM, JON] }],
  ['a function, a part of its rows', (db) => db.rpc('leaderboard.top', { n: 10 }).select('who:player').range(1, 2), { data: [{ who: 'jon' }, { who: 'kim' }] }],
  ['a function, counted', (db) => db.rpc('leaderboard.top', { n: 10 }, { count: 'exact' }).limit(1), { data: [IDA], count: 3, status: 206 }],
  ['a function, only counted', (db) => db.rpc('standings.top', { n: 10 }, { head: true, count: 'exact' }), { data: null, count: 3 }],
  ['a function, one row', (db) => db.rpc('leaderboard.top', { n: 1 }).single(), { data: IDA }],
  ['a function, one row of many', (db) => db.rpc('leaderboard.top', { n: 2 }).single(), { error: 'PGRST116', status: 406 }],
  ['a function, one row of none', (db) => db.rpc('leaderboard.top', { n: 2 }).eq('player', 'lou').maybeSingle(), { data: null }],
  ['a function as CSV', (db) => db.rpc('leaderboard.top', { n: 1 }).csv(), { data: 'player,score,rank\nida,90,1' }],
  ['a function by GET', (db) => db.rpc('standings.top', { n: 2 }, { get: true }), { data: [IDA, JON] }],
  ['a function by GET, filtered', (db) => db.rpc('standings.top', { n: 3 }, { get: true }).eq('rank', 2).select('player'), { data: [{ player: 'jon' }, { player: 'kim' }] }],
  ['a function by GET that may write', (db) => db.rpc('leaderboard.top', { n: 2 }, { get: true }), { error: 'PGRST101', status: 405 }],
  ['a value', (db) => db.rpc('leaderboard.standing_of', { player: 'kim' }), { data: KIM }],
  ['no value', (db) => db.rpc('leaderboard.standing_of', { player: 'lou' }), { data: null, status: 200 }],
  ['a number', (db) => db.rpc('leaderboard.submit', { player: 'ida', score: 1 }), { data: 1 }],
  ['a call that is undone', async (db) => {
    await db.rpc('leaderboard.submit', { player: 'lou', score: 100 }).rollback();
    return db.rpc('leaderboard.standing_of', { player: 'lou' });
  }, { data: null }],
  ['a call whose answer cannot be had', async (db) => {
    const { error } = await db.rpc('leaderboard.submit', { player: 'lou', score: 100 }).csv();
    const standing = await db.rpc('leaderboard.standing_of', { player: 'lou' });
    return { data: [error.code, standing.data] };
  }, { data: ['PGRST107', null] }],
  ['an error of the function', (db) => db.rpc('leaderboard.top', { n: 1001 }), { error: 'P0001', status: 400 }],
  ['an argument of another type', (db) => db.rpc('leaderboard.top', { n: 'many' }), { error: '22P02', status: 400 }],
  ['an argument that is not there', (db) => db.rpc('leaderboard.top', { m: 10 }), { error: 'PGRST202', status: 404 }],
  ['a function that is not there', (db) => db.rpc('leaderboard.bottom', { n: 10 }), { error: 'PGRST202', status: 404 }],
];

/** What of a result is compared. */
export function shown(result, expected) {
  const seen = {};
  for (const key of Object.keys(expected)) {
    if (key === 'error') seen.error = result.error?.code;
    else if (key === 'names') seen.names = result.data && names(result.data);
    else if (key === 'titles') seen.titles = result.data?.map((row) => row.title);
    else if (key === 'plan') seen.plan = result.error === null && result.data !== null;
    else seen[key] = result[key] ?? null;
  }
  if (!('error' in expected)) seen.failure = result.error ?? null;
  return seen;
}
