//! Players and their best scores, with an ordered index.
//!
//! | key | value |
//! |---|---|
//! | `player/` name | the player's best score, 8 bytes |
//! | `score/` score (8 bytes, largest first) name | nothing |
//!
//! The keys of the index sort as the board does: the top is a scan from the start, and a rank is a count up to a score. One batch
//! changes both keys of a player.

mantis_guest::generate!(path: ["../../../wit", "wit"], world: "examples:leaderboard/leaderboard");

use mantis_guest::{Bucket, Span, info, order};

const PLAYERS: &[u8] = b"player/";
const SCORES: &[u8] = b"score/";
const NAME_BYTES_MAX: usize = 64;
const TOP_MAX: u32 = 1_000;

struct Leaderboard;
export!(Leaderboard);

impl Guest for Leaderboard {
    fn submit(player: String, score: i64) -> Result<u32, String> {
        if player.is_empty() || player.len() > NAME_BYTES_MAX {
            return Err(format!("a player's name has 1 to {NAME_BYTES_MAX} bytes"));
        }
        let board = open()?;
        let best = best_score(&board, &player)?;
        if best.is_none_or(|best| score > best) {
            let mut batch = board.batch();
            if let Some(best) = best {
                batch = batch.delete(score_key(best, &player));
            }
            batch.set(player_key(&player), order::ascending(score)).set(score_key(score, &player), []).apply()?;
            info!("{player} now has {score}");
        }
        Ok(rank(&board, best.map_or(score, |best| best.max(score)))?)
    }

    fn top(n: u32) -> Result<Vec<Standing>, String> {
        if n > TOP_MAX {
            return Err(format!("at most {TOP_MAX} standings are shown"));
        }
        let mut standings: Vec<Standing> = Vec::new();
        for (place, entry) in (1..).zip(open()?.scan().prefix(SCORES).limit(n.into())) {
            let (score, player) = parse_score_key(&entry?.0).ok_or("the index holds a foreign key")?;
            let rank = standings.last().filter(|above| above.score == score).map_or(place, |above| above.rank);
            standings.push(Standing { player, score, rank });
        }
        Ok(standings)
    }

    fn standing_of(player: String) -> Result<Option<Standing>, String> {
        let board = open()?;
        let Some(score) = best_score(&board, &player)? else { return Ok(None) };
        Ok(Some(Standing { rank: rank(&board, score)?, player, score }))
    }
}

fn open() -> mantis_guest::Result<Bucket> {
    Bucket::open("leaderboard")
}

fn best_score(board: &Bucket, player: &str) -> mantis_guest::Result<Option<i64>> {
    let stored = board.get(player_key(player))?;
    Ok(stored.and_then(|bytes| bytes.try_into().ok()).map(order::from_ascending))
}

/// One more than the number of players with a better score.
fn rank(board: &Bucket, score: i64) -> mantis_guest::Result<u32> {
    let better = board.count(&Span::Between((Some(SCORES.to_vec()), Some(score_key(score, "")))))?;
    Ok(u32::try_from(better).unwrap_or(u32::MAX).saturating_add(1))
}

fn player_key(player: &str) -> Vec<u8> {
    [PLAYERS, player.as_bytes()].concat()
}

fn score_key(score: i64, player: &str) -> Vec<u8> {
    [SCORES, &order::descending(score), player.as_bytes()].concat()
}

fn parse_score_key(key: &[u8]) -> Option<(i64, String)> {
    let (score, player) = key.strip_prefix(SCORES)?.split_first_chunk()?;
    Some((order::from_descending(*score), String::from_utf8(player.to_vec()).ok()?))
}
