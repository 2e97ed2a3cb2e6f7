//! The typed code of `flatten`: it expires, and survives a kill.

use super::{Bot, CHAT, appended, daemon, stop, wait_for_fills};
use crate::kit::{Folder, wait_until};

#[test]
fn a_code_that_is_typed_after_a_minute_flattens_nothing() {
    let folder = Folder::new("chat-expired");
    let (dir, bot) = (folder.join("data"), Bot::begin());
    let process = daemon(&dir, &bot);
    wait_for_fills(&dir);
    let code = bot.code();
    bot.held().texts.clear();
    // Telegram receives it an hour later.
    bot.say(CHAT, -3_600, &code);
    wait_until("it has expired", || bot.is_answered("expired after 60 s. Send /flatten"));
    // It is lost, also for a message that is in time.
    bot.command(&code, "not the code");
    // A new one works.
    let code = bot.code();
    let flatten = bot.command(&code, "closes all positions");
    stop(process);
    let (commands, switches) = appended(&dir);
    assert_eq!((commands, switches.len()), (vec![flatten], 1), "{switches:?}");
}

#[test]
fn a_code_survives_a_kill_and_a_wrong_guess_ends_it() {
    let folder = Folder::new("chat-code-kill");
    let (dir, bot) = (folder.join("data"), Bot::begin());
    let process = daemon(&dir, &bot);
    wait_for_fills(&dir);
    // A wrong guess ends a code for good.
    let guessed = bot.code();
    bot.command("/flatten wrong", "not the code");
    process.kill();
    let process = daemon(&dir, &bot);
    bot.command(&guessed, "not the code");

    // The daemon dies with the request for a code unconfirmed. The operator types the code that he
    // sees: it is the one of the repeated request.
    let request = bot.command("/flatten", "all positions");
    let code = bot.offered();
    process.kill();
    bot.repeat(request, "/flatten");
    let flatten = bot.say(CHAT, 0, &code);
    let process = daemon(&dir, &bot);
    wait_until("it flattens", || bot.is_answered("closes all positions"));
    wait_until("the request is answered again", || bot.is_answered("sells all positions"));
    assert_eq!(bot.offered(), code);
    stop(process);
    let (commands, switches) = appended(&dir);
    assert_eq!((commands, switches.len()), (vec![flatten], 1), "{switches:?}");
}
