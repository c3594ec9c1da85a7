//! The rule once more, written down without a look at the engine: small, slow, and over the test's own trees.

use crate::tree::{Consented, Errand, HOSTS, Owner, Picture, Question, Tree, Word};

/// Whether the production is refused when it is read: something in it is looser than what it is in, or it is for a studio that has
/// no host.
pub(crate) fn is_refused(tree: &Tree) -> bool {
    let project = tree.privacy.unwrap_or("local-only");
    let looser = |chain: &[Word]| {
        let mut above = project;
        chain.iter().flatten().any(|word| {
            let is_looser = rank(word) > rank(above);
            above = word;
            is_looser
        })
    };
    let owner = |owner: &Owner| {
        let mut references = owner.references.iter();
        looser(&[owner.privacy]) || references.any(|(_, word)| looser(&[owner.privacy, *word]))
    };
    project == "studio" && tree.studio.is_empty()
        || tree.styles.iter().chain(&tree.characters).any(owner)
        || tree.scenes.iter().any(|scene| {
            let mut cuts = scene.cuts.iter();
            cuts.any(|cut| looser(&[scene.privacy, cut.privacy]))
        })
}

/// Whether the door lets a question through.
pub(crate) fn is_allowed(tree: &Tree, question: &Question) -> bool {
    let host = HOSTS[question.host];
    let brings = matches!(question.errand, Errand::Take | Errand::Put);
    let fits = |consent: &Consented| {
        consent.is_generation == question.is_generation
            && (HOSTS[consent.host] == host
                || question.errand == Errand::Poll
                    && consent.redirects.iter().any(|pattern| is_like(pattern, host)))
    };
    let cuts = tree.cuts();
    let mut about = vec![cuts[question.cut.index(cuts.len())]];
    if brings {
        about.extend(question.others.iter().map(|other| cuts[other.index(cuts.len())]));
    }
    !question.is_offline
        && question.has_log
        && question.errand != Errand::Unlabelled
        && question.consents.iter().any(fits)
        && about.into_iter().all(|cut| may_see(tree, cut, host))
}

/// Whether a host may see a cut: everything that is said of anything in it must agree.
fn may_see(tree: &Tree, (s, c): (usize, usize), host: &str) -> bool {
    let (scene, cut) = (&tree.scenes[s], &tree.scenes[s].cuts[c]);
    let agrees = |word: Word| match word {
        None | Some("any") => true,
        Some("studio") => tree.studio.contains(&host),
        Some(_) => false,
    };
    let files: Vec<usize> = cut
        .pictures
        .iter()
        .filter_map(|picture| match picture {
            Picture::File(file) => Some(*file),
            Picture::Take(_) => None,
        })
        .collect();
    let style = cut.style.or(scene.style).or(tree.style).filter(|_| !tree.styles.is_empty());
    let style = style.map(|index| index.index(tree.styles.len()));
    let owner = |owner: &Owner, is_named: bool| {
        let mut taken =
            owner.references.iter().filter(|(file, _)| is_named || files.contains(file)).peekable();
        let is_in = is_named || taken.peek().is_some();
        !is_in || agrees(owner.privacy) && taken.all(|(_, word)| agrees(*word))
    };
    let all = tree.cuts();
    let before = all.iter().position(|place| *place == (s, c)).unwrap_or_default();
    agrees(Some(tree.privacy.unwrap_or("local-only")))
        && agrees(scene.privacy)
        && agrees(cut.privacy)
        && tree.styles.iter().enumerate().all(|(at, one)| owner(one, style == Some(at)))
        && tree
            .characters
            .iter()
            .enumerate()
            .all(|(at, one)| owner(one, tree.shown(cut).contains(&at)))
        && cut.pictures.iter().all(|picture| match picture {
            Picture::Take(index) if before > 0 => may_see(tree, all[index.index(before)], host),
            Picture::Take(_) | Picture::File(_) => true,
        })
}

fn rank(word: &str) -> u8 {
    match word {
        "any" => 2,
        "studio" => 1,
        _ => 0,
    }
}

/// `*` stands for at least one letter at the beginning.
fn is_like(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(end) => host.len() > end.len() && host.ends_with(end),
        None => pattern == host,
    }
}
