//! What is asked of a hosted model, in our words; a provider says it in its own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kinora_cards::Size;

use super::{Asked, Aspect, HostedCard, Resolution, Task};
use crate::egress::upload::Upload;
use crate::egress::{Labelled, Payload};
use crate::id::TakeId;
use crate::privacy::Privacy;

/// A picture as it is sent: nothing is left in it but the picture, which is why it is made from an [`Upload`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Picture {
    /// Its type, such as `image/png`.
    pub mime: String,
    /// Its file, and who may see it.
    pub bytes: Labelled<Vec<u8>>,
}

impl From<Upload> for Picture {
    fn from(upload: Upload) -> Self {
        Self { mime: upload.mime.to_owned(), bytes: upload.bytes }
    }
}

impl Picture {
    /// The bytes in base64.
    pub fn base64(&self) -> String {
        STANDARD.encode(self.bytes.value())
    }

    /// The picture as an address of itself: `data:image/png;base64,…`.
    pub fn data_uri(&self) -> String {
        format!("data:{};base64,{}", self.mime, self.base64())
    }

    /// What its file ends with.
    pub fn extension(&self) -> &str {
        self.mime.rsplit('/').next().unwrap_or_default()
    }
}

/// One clip to be made by a hosted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The take that it is to become; goes along as our name of the job where a provider keeps one.
    pub take: TakeId,
    /// What the picture should be.
    pub prompt: Labelled<String>,
    /// What it should not be.
    pub negative: Option<Labelled<String>>,
    /// Its length.
    pub seconds: f64,
    /// Size of the pictures.
    pub size: Size,
    /// Frames a second, where that was said.
    pub fps: Option<u32>,
    /// Seed of the noise.
    pub seed: u64,
    /// Whether it is to have sound.
    pub audio: bool,
    /// The picture that it begins with.
    pub first_frame: Option<Picture>,
    /// The picture that it ends with.
    pub last_frame: Option<Picture>,
    /// Pictures of what is in it.
    pub references: Vec<Picture>,
}

impl Order {
    /// What a clip is made from.
    pub fn task(&self) -> Task {
        match (&self.first_frame, &self.last_frame) {
            (_, Some(_)) => Task::FirstLastFrame,
            (Some(_), None) => Task::FirstFrame,
            (None, None) if self.references.is_empty() => Task::Text,
            (None, None) => Task::References,
        }
    }

    /// The clip as far as its price depends on it.
    pub fn asked(&self) -> Asked {
        Asked {
            task: self.task(),
            seconds: self.seconds,
            size: self.size,
            audio: self.audio,
            references: u32::try_from(self.references.len()).unwrap_or(u32::MAX),
        }
    }

    /// The whole seconds that a model is asked for.
    ///
    /// # Errors
    /// A length that it does not make.
    pub fn whole_seconds(&self, card: &HostedCard) -> Result<u32, Unfit> {
        let lengths = card.lengths(&self.asked());
        lengths
            .holding(self.seconds)
            .ok_or_else(|| card.unfit(format!("{} s: it makes {lengths} s", self.seconds)))
    }

    /// The size that a model is asked for, in its own words.
    ///
    /// # Errors
    /// A clip that it makes in no size.
    pub fn resolution<'a>(&self, card: &'a HostedCard) -> Result<&'a Resolution, Unfit> {
        let none = || card.unfit("a clip like this: it makes it in no size".to_owned());
        card.resolution(&self.asked()).ok_or_else(none)
    }

    /// The shape that a model is asked for; none where its server takes any.
    pub fn aspect(&self, card: &HostedCard) -> Option<Aspect> {
        card.aspect(&self.asked())
    }

    /// The seed in 32 bits, which is what providers take.
    pub fn short_seed(&self) -> u32 {
        self.seed as u32
    }

    /// The words as one text, for a model that takes no negative prompt: what should not be seen is said at the end.
    pub fn words(&self, card: &HostedCard) -> String {
        let prompt = self.prompt.value();
        match self.negative.as_ref().map(|text| text.value().trim()) {
            Some(negative) if !card.negative && !negative.is_empty() => {
                format!("{}\nAvoid: {negative}", prompt.trim_end())
            }
            _ => prompt.clone(),
        }
    }

    /// The words of what should not be seen, for a model that takes them.
    pub fn negative_for(&self, card: &HostedCard) -> Option<&str> {
        let negative = self.negative.as_ref()?.value().as_str();
        Some(negative).filter(|text| card.negative && !text.trim().is_empty())
    }

    /// Its pictures: the frames, then the references.
    pub fn pictures(&self) -> impl Iterator<Item = &Picture> {
        self.first_frame.iter().chain(&self.last_frame).chain(&self.references)
    }

    /// Everything that it takes out.
    pub fn payload(&self) -> Payload {
        let mut payload = Payload::of("prompt", &self.prompt);
        if let Some(negative) = &self.negative {
            payload = payload.and("negative", negative);
        }
        for (index, picture) in self.pictures().enumerate() {
            let name = format!("image-{}.{}", index + 1, picture.extension());
            payload = payload.and(name, &picture.bytes);
        }
        payload
    }

    /// Who may see it.
    pub fn label(&self) -> Privacy {
        self.payload().label().clone()
    }

    /// Holds it against what a model makes.
    ///
    /// # Errors
    /// What the model does not make.
    pub fn check(&self, card: &HostedCard) -> Result<(), Unfit> {
        let task = self.task();
        if !card.tasks.contains(&task) {
            return Err(card.unfit(format!("a clip from {task}")));
        }
        if self.last_frame.is_some() && self.first_frame.is_none() {
            return Err(card.unfit("a last frame without a first one".to_owned()));
        }
        let references = self.asked().references;
        if references > card.max_references {
            let most = card.max_references;
            return Err(card.unfit(format!("{references} references: it takes {most}")));
        }
        if references > 0 && task.frames() > 0 && !card.references_with_frames {
            return Err(card.unfit("references beside a first frame".to_owned()));
        }
        // Providers that say how they count letters count UTF-16 units; where they do not, these are never too few.
        let letters = self.words(card).encode_utf16().count();
        if let Some(most) = card.max_prompt.filter(|most| letters > *most as usize) {
            return Err(card.unfit(format!("a prompt of {letters} letters: it takes {most}")));
        }
        self.whole_seconds(card).map(|_| ())
    }
}

/// A model cannot be asked for this. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{model} cannot be asked for {what}")]
pub struct Unfit {
    /// The model.
    pub model: String,
    /// What it cannot be asked for, and why.
    pub what: String,
}

impl HostedCard {
    /// Says what this model cannot be asked for.
    pub fn unfit(&self, what: String) -> Unfit {
        Unfit { model: self.name.clone(), what }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::Timestamp;

    use super::super::find;
    use super::*;

    /// A clip of two seconds from words alone.
    pub(in super::super) fn order() -> Order {
        let label = |text: &str| Labelled::new(text.to_owned(), Privacy::Any);
        Order {
            take: TakeId::new(Timestamp::now()).expect("random numbers"),
            prompt: label("a red kite over the sea"),
            negative: Some(label("people")),
            seconds: 5.0625,
            size: Size { width: 832, height: 480 },
            fps: Some(16),
            seed: 7,
            audio: false,
            first_frame: None,
            last_frame: None,
            references: Vec::new(),
        }
    }

    /// A picture of these bytes.
    pub(in super::super) fn picture(bytes: &[u8], label: Privacy) -> Picture {
        let bytes = Labelled::new(bytes.to_vec(), label);
        Picture { mime: "image/png".to_owned(), bytes }
    }

    #[test]
    fn everything_that_leaves_is_in_the_payload() {
        let mut order = order();
        order.first_frame = Some(picture(b"one", Privacy::studio(["render.lan", "b.lan"])));
        order.references = vec![picture(b"two", Privacy::studio(["render.lan"]))];
        let payload = order.payload();
        let names: Vec<&str> = payload.parts().iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["prompt", "negative", "image-1.png", "image-2.png"]);
        assert_eq!(payload.label(), &Privacy::studio(["render.lan"]));
        assert_eq!(order.pictures().map(Picture::base64).collect::<String>(), "b25ldHdv");
    }

    #[test]
    fn a_negative_is_said_in_one_place() {
        let (kling, veo) = (find("kling-3.0").expect("a card"), find("veo-3.1").expect("a card"));
        let mut order = order();
        assert_eq!(order.words(kling), "a red kite over the sea\nAvoid: people");
        assert_eq!(order.negative_for(kling), None);
        assert_eq!(order.words(veo), "a red kite over the sea");
        assert_eq!(order.negative_for(veo), Some("people"));
        order.negative = Some(Labelled::new(" ".to_owned(), Privacy::Any));
        assert_eq!(
            (order.words(kling).as_str(), order.negative_for(veo)),
            ("a red kite over the sea", None)
        );
    }

    #[test]
    fn what_a_model_does_not_make_is_not_asked_for() {
        let card = find("kling-3.0").expect("a card");
        let picture = || picture(b"one", Privacy::Any);
        let refused = |change: &dyn Fn(&mut Order)| {
            let mut order = order();
            change(&mut order);
            order.check(card).expect_err("it cannot be asked for").to_string()
        };
        assert_eq!(order().check(card), Ok(()));
        assert_eq!(order().whole_seconds(card), Ok(6));
        assert_eq!(
            refused(&|order| order.references = vec![picture()]),
            "kling-3.0 cannot be asked for a clip from references"
        );
        assert_eq!(
            refused(&|order| order.last_frame = Some(picture())),
            "kling-3.0 cannot be asked for a last frame without a first one"
        );
        assert_eq!(
            refused(&|order| order.seconds = 20.0),
            "kling-3.0 cannot be asked for 20 s: it makes 3-15 s"
        );
        assert!(
            refused(&|order| {
                order.first_frame = Some(picture());
                order.references = vec![picture()];
            })
            .contains("1 references")
        );
        let prompt = |letters| Labelled::new("a".repeat(letters), Privacy::Any);
        let mut long = Order { prompt: prompt(3072), negative: None, ..order() };
        assert_eq!(long.check(card), Ok(()));
        long.negative = order().negative;
        assert_eq!(
            long.check(card).expect_err("too long").to_string(),
            "kling-3.0 cannot be asked for a prompt of 3086 letters: it takes 3072"
        );
    }
}
