//! Which images of an archive are wanted.

use anyhow::bail;
use archive::ArchivedImage;
use model::Reference;

/// The images that `names` mean, with the names that they then get; all of them where none is given. An error for a name
/// that means none.
pub fn choose(images: Vec<ArchivedImage>, names: &[String]) -> anyhow::Result<Vec<ArchivedImage>> {
    if names.is_empty() {
        return Ok(images);
    }
    if let Some(missing) = names.iter().find(|name| !images.iter().any(|image| matches(image, name))) {
        let there: Vec<String> = images.iter().flat_map(shown).collect();
        bail!("no image '{}' in the archive; it has {}", model::path::shown(missing.as_bytes()), there.join(", "));
    }
    let chosen = images
        .iter()
        .filter(|image| names.iter().any(|name| matches(image, name)))
        .map(|image| restricted(image, names));
    let mut chosen: Vec<ArchivedImage> = chosen.collect();
    // What a v1 image was made on comes along, as docker keeps it.
    loop {
        let missing = chosen
            .iter()
            .filter_map(|image| image.parent)
            .find(|parent| !chosen.iter().any(|image| image.id == *parent));
        let Some(below) = missing.and_then(|parent| images.iter().find(|image| image.id == parent)) else {
            return Ok(chosen);
        };
        chosen.push(ArchivedImage { names: Vec::new(), ..below.clone() });
    }
}

/// An image as a person may name it: its names, else its id.
pub fn shown(image: &ArchivedImage) -> Vec<String> {
    match image.names.is_empty() {
        true => vec![image.id.to_string()],
        false => image.names.iter().map(|name| model::path::shown(name.as_bytes()).into_owned()).collect(),
    }
}

/// An image with only those of its names that were asked for; by id, all.
fn restricted(image: &ArchivedImage, names: &[String]) -> ArchivedImage {
    if names.iter().any(|name| is_id(image, name)) {
        return image.clone();
    }
    let kept = image.names.iter().filter(|own| names.iter().any(|name| is_name(own, name))).cloned().collect();
    ArchivedImage { names: kept, ..image.clone() }
}

fn matches(image: &ArchivedImage, name: &str) -> bool {
    is_id(image, name) || image.names.iter().any(|own| is_name(own, name))
}

fn is_id(image: &ArchivedImage, name: &str) -> bool {
    let prefix = name.strip_prefix("sha256:").unwrap_or(name);
    prefix.len() >= 4 && image.id.hex().starts_with(prefix)
}

/// A repository without a tag means all its tags.
fn is_name(own: &str, name: &str) -> bool {
    let (Ok(own), Ok(name)) = (Reference::parse(own), Reference::parse(name)) else { return own == name };
    let own = own.or_latest();
    if name.tag().is_none() && name.digest().is_none() {
        own.full_repository() == name.full_repository()
    } else {
        own == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Digest;

    fn image(n: u8, names: &[&str]) -> ArchivedImage {
        ArchivedImage {
            id: Digest([n; 32]),
            config: b"{}".as_slice().into(),
            names: names.iter().map(|name| (*name).to_string()).collect(),
            layers: Vec::new(),
            parent: None,
            manifest: None,
        }
    }

    fn check(names: &[&str], chosen: &[&str]) {
        let images = vec![image(0x11, &["app:1", "app:2"]), image(0x22, &["docker.io/library/db:1"]), image(0x33, &[])];
        let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
        let ours: Vec<String> = choose(images, &names)
            .unwrap()
            .iter()
            .map(|image| format!("{} {}", &image.id.hex()[..2], image.names.join(" ")))
            .collect();
        assert_eq!(ours, chosen, "{names:?}");
    }

    #[test]
    fn images_are_chosen_by_name_repository_or_id() {
        check(&["app:1"], &["11 app:1"]);
        check(&["app"], &["11 app:1 app:2"]);
        check(&["db:1"], &["22 docker.io/library/db:1"]);
        check(&["3333"], &["33 "]);
        check(&["sha256:1111", "db"], &["11 app:1 app:2", "22 docker.io/library/db:1"]);
        assert!(choose(vec![image(1, &["a:1"])], &["b".to_string()]).unwrap_err().to_string().contains("it has a:1"));
    }
}
