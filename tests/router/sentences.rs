//! Sentences as people write them, and the type of cut that each proposes.

use kinora_engine::router::{CutKind, Words, propose};

#[test]
fn types_of_sentences() {
    use CutKind::*;
    for (prompt, kind) in [
        ("{mina}'s face, a tear runs down, rain light", CloseUp),
        ("close-up of the old man, he blinks slowly", CloseUp),
        ("her eyes, wide open, the smile fades", CloseUp),
        ("tight on {ren}, he notices the storm", CloseUp),
        ("{mina} says that she will not come back", Dialogue),
        ("they argue in the kitchen, plates everywhere", Dialogue),
        ("the old woman whispers a name", Dialogue),
        ("a conversation at the bar", Dialogue),
        ("{mina} walks along the shore", Walk),
        ("a boy walking home through the rain", Walk),
        ("the soldier limps towards the gate", Walk),
        ("a crowd in front of the palace", Crowd),
        ("hundreds of lanterns and people on the river", Crowd),
        ("a protest, flags, smoke", Crowd),
        ("insert: the letter, torn in two", Insert),
        ("macro of a clock, its hands stop", Insert),
        ("a phone on the table, the screen lights up", Insert),
        ("aerial of the city at dawn", Establishing),
        ("wide shot of the village below the mountains", Establishing),
        ("establishing: the castle, winter", Establishing),
        ("a house at the end of the street", Establishing),
        ("the camera follows her up the stairs in one take", CameraMove),
        ("a tracking shot through the kitchen", CameraMove),
        ("we orbit the statue", CameraMove),
        ("a two-shot at the window, {mina} and {ren}", TwoCharacters),
        ("they embrace, both of them soaked", TwoCharacters),
        ("the couple, holding hands", TwoCharacters),
        ("a fight on the roof, he falls", Action),
        ("two cars chase each other, one crashes", Action),
        ("the robot jumps over the gap and runs", Action),
        ("an explosion throws her back", Action),
        ("mist over the lake, drifting", Atmosphere),
        ("rain and wind, leaves, no one", Atmosphere),
        ("dust in the light of an empty room", Atmosphere),
        ("the moon dissolves into an eye", Transition),
        ("the leaf morphs into a bird", Transition),
        ("shot 1: the door. cut to: the stairs", MultiShot),
        ("a montage of the summer", MultiShot),
        ("b-roll for the titles", Filler),
        ("a chair", Filler),
        ("", Filler),
    ] {
        let proposal = propose(&Words { prompt, ..Words::default() });
        assert_eq!(proposal.kind, kind, "{prompt:?}: {}", proposal.why);
        assert!(!proposal.is_said && !proposal.why.is_empty());
        assert_eq!(proposal, propose(&Words { prompt, ..Words::default() }));
    }
}

#[test]
fn intent_camera_and_characters_have_a_say() {
    let none = Words::default();
    for (words, kind, why) in [
        (
            Words { intent: "an establishing view", prompt: "rain", ..none },
            CutKind::Establishing,
            "its words: establishing",
        ),
        (
            Words { prompt: "a statue", camera: "slow orbit to the left", ..none },
            CutKind::CameraMove,
            "its words: orbit",
        ),
        (
            Words { prompt: "{mina} turns to the window", camera: "slow push in", ..none },
            CutKind::CameraMove,
            "its words: push in",
        ),
        (
            Words { prompt: "at the window", characters: 2, ..none },
            CutKind::TwoCharacters,
            "2 characters",
        ),
        (
            Words { prompt: "at the window", characters: 1, ..none },
            CutKind::Filler,
            "no word of it speaks for any other type",
        ),
        (Words { prompt: "in the hall", characters: 9, ..none }, CutKind::Crowd, "9 characters"),
        (
            Words { prompt: "a fight", multi_shot: true, ..none },
            CutKind::MultiShot,
            "it asks for several shots in one clip",
        ),
    ] {
        let proposal = propose(&words);
        assert_eq!((proposal.kind, proposal.why.as_str()), (kind, why), "{words:?}");
    }
}
