use proptest::prelude::*;
use wasm_encoder::Encode;

use super::*;

/// An object of a test: its type, and its fields or elements.
#[derive(Clone, Debug)]
struct Made {
    ty: usize,
    fields: Vec<Field>,
    /// The number of its elements that the dump does not hold.
    more: u32,
}

fn storage() -> impl Strategy<Value = Storage> {
    use Storage::*;
    prop_oneof![Just(I8), Just(I16), Just(I32), Just(I64), Just(F32), Just(F64), Just(V128), Just(Ref)]
}

fn types() -> impl Strategy<Value = Vec<ObjectType>> {
    let places = || proptest::collection::vec(any::<(u32, u32)>(), 0..3);
    let fields = proptest::collection::vec(storage(), 0..6);
    let record = (prop_oneof![Just(ObjectKind::Struct), Just(ObjectKind::Exception)], places(), fields)
        .prop_map(|(kind, places, fields)| ObjectType::new(kind, places, fields));
    let array =
        (places(), storage()).prop_map(|(places, element)| ObjectType::new(ObjectKind::Array, places, vec![element]));
    let other = Just(ObjectType::new(ObjectKind::Extern, Vec::new(), Vec::new()));
    proptest::collection::vec(prop_oneof![4 => record, 4 => array, 1 => other], 1..6)
}

fn link() -> impl Strategy<Value = Link> {
    prop_oneof![
        Just(Link::Null),
        (-(1i32 << 30)..1 << 30).prop_map(Link::I31),
        (1..=MAX_ID).prop_map(Link::Object),
        (proptest::option::of(0..u32::MAX - 1), any::<u32>())
            .prop_map(|(instance, index)| Link::Function { instance, index }),
        Just(Link::Unknown),
    ]
}

fn field(storage: Storage) -> BoxedStrategy<Field> {
    match storage {
        Storage::I8 => any::<u8>().prop_map(Field::I8).boxed(),
        Storage::I16 => any::<u16>().prop_map(Field::I16).boxed(),
        Storage::I32 => any::<i32>().prop_map(Field::I32).boxed(),
        Storage::I64 => any::<i64>().prop_map(Field::I64).boxed(),
        Storage::F32 => any::<u32>().prop_map(Field::F32).boxed(),
        Storage::F64 => any::<u64>().prop_map(Field::F64).boxed(),
        Storage::V128 => any::<[u8; 16]>().prop_map(Field::V128).boxed(),
        Storage::Ref => link().prop_map(Field::Ref).boxed(),
    }
}

fn made(types: &[ObjectType]) -> impl Strategy<Value = Made> + use<> {
    let types = types.to_vec();
    (0..types.len(), 0..20usize, prop_oneof![3 => Just(0u32), 1 => 1..9u32]).prop_flat_map(move |(ty, len, more)| {
        let array = types[ty].kind == ObjectKind::Array;
        let fields = match array {
            true => vec![field(types[ty].fields[0]); len],
            false => types[ty].fields.iter().map(|storage| field(*storage)).collect(),
        };
        fields.prop_map(move |fields| Made { ty, fields, more: if array { more } else { 0 } })
    })
}

fn program() -> impl Strategy<Value = (Vec<ObjectType>, Vec<Made>)> {
    types().prop_flat_map(|types| {
        let objects = proptest::collection::vec(made(&types), 0..60);
        (Just(types), objects)
    })
}

fn put(writer: &mut Writer, field: Field) {
    match field {
        Field::I8(bits) => writer.number(Storage::I8, bits.into()),
        Field::I16(bits) => writer.number(Storage::I16, bits.into()),
        Field::I32(value) => writer.number(Storage::I32, u64::from(value as u32)),
        Field::I64(value) => writer.number(Storage::I64, value as u64),
        Field::F32(bits) => writer.number(Storage::F32, bits.into()),
        Field::F64(bits) => writer.number(Storage::F64, bits),
        Field::V128(bytes) => writer.vector(bytes),
        Field::Ref(link) => {
            let code = match link {
                Link::Null => StoredReference::NULL,
                Link::I31(value) => StoredReference::i31(value),
                Link::Object(id) => StoredReference::object(id),
                Link::Function { instance, index } => writer.add_function(instance, index),
                Link::Unknown => StoredReference::UNKNOWN,
            };
            writer.reference(code);
        }
    }
}

fn written(types: &[ObjectType], objects: &[Made], limit: Option<u64>) -> (Vec<u8>, Vec<u8>) {
    let mut writer = Writer::new();
    for ty in types {
        writer.add_type(ty);
    }
    for object in objects {
        let held = object.fields.len() as u32;
        match types[object.ty].kind {
            ObjectKind::Array => writer.begin_array(object.ty as u32, held + object.more, held),
            _ => writer.begin(object.ty as u32),
        }
        object.fields.iter().for_each(|field| put(&mut writer, *field));
    }
    if let Some(limit) = limit {
        writer.set_limit(limit);
    }
    writer.finish()
}

proptest! {
    #[test]
    fn what_is_written_is_read((types, made) in program(), limit in proptest::option::of(1..u64::MAX)) {
        let (head, body) = written(&types, &made, limit);
        let whole = [&head[..], &body[..]].concat();
        for objects in [Objects::new(&whole, 100), Objects::of_parts(&head, &body)] {
            prop_assert_eq!(objects.problem(), None);
            prop_assert_eq!((objects.types(), objects.limit()), (&types[..], limit));
            prop_assert_eq!(objects.count() as usize, made.len());
            for (made, read) in made.iter().zip(objects.iter()) {
                let found = objects.get(read.id).unwrap();
                prop_assert_eq!((found.type_index as usize, found.len), (made.ty, u64::from(made.more) + made.fields.len() as u64));
                prop_assert_eq!(found.fields().collect::<Vec<_>>(), made.fields.clone());
                prop_assert_eq!(read.fields().collect::<Vec<_>>(), made.fields.clone());
                let references = made.fields.iter().enumerate().filter_map(|(index, field)| match field {
                    Field::Ref(Link::Object(id)) => Some((index, *id)),
                    _ => None,
                });
                prop_assert_eq!(read.references().collect::<Vec<_>>(), references.collect::<Vec<_>>());
            }
            prop_assert!(objects.get(0).is_none() && objects.get(objects.count() + 1).is_none());
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm((types, made) in program(), cut in 0..400usize, at in 0..400usize, byte in any::<u8>()) {
        let (head, body) = written(&types, &made, None);
        let mut whole = [&head[..], &body[..]].concat();
        if let Some(place) = whole.get_mut(at) {
            *place = byte;
        }
        whole.truncate(cut);
        let objects = Objects::new(&whole, 0);
        for object in objects.iter() {
            prop_assert_eq!(object.fields().len(), object.held());
            prop_assert!(objects.get(object.id).is_some());
            object.references().for_each(drop);
        }
        if let Some((_, offset)) = objects.problem() {
            prop_assert!(offset <= whole.len() as u64);
        }
    }
}

#[test]
fn what_is_declared_and_not_there_is_said() {
    let mut writer = Writer::new();
    let ty = writer.add_type(&ObjectType::new(ObjectKind::Array, vec![(0, 3)], vec![Storage::I16]));
    writer.begin_array(ty, 2, 2);
    writer.number(Storage::I16, 7);
    writer.number(Storage::I16, 8);
    let (head, body) = writer.finish();
    let whole = [&head[..], &body[..]].concat();
    let objects = Objects::new(&whole[..whole.len() - 1], 0x40);
    assert_eq!(objects.problem(), Some(("object 1 is cut off, or is of no type", 0x40 + head.len() as u64)));
    let mut billions = head.clone();
    billions.pop();
    4_000_000_000u64.encode(&mut billions);
    let declared = billions.len() as u64;
    billions.extend(&body);
    let objects = Objects::new(&billions, 0);
    let message = "4000000000 objects are declared and 1 are here";
    assert_eq!(objects.problem(), Some((message, declared + body.len() as u64)));
    assert_eq!((objects.count(), objects.get(1).and_then(|one| one.get(1))), (1, Some(Field::I16(8))));
    let objects = Objects::new(&[2], 9);
    assert_eq!(objects.problem(), Some(("version 2 is not known", 9)));
}
