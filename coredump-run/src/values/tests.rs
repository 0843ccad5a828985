//! Tests that values of components survive encoding and decoding.

use std::fmt::Debug;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::IoError;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types as fs;
use wasmtime_wasi::p2::bindings::io::streams::StreamError;
use wasmtime_wasi::p2::bindings::sockets::{network as net, udp};

use super::{Input, Value, Values};

fn bytes(value: &impl Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.write(&mut bytes);
    bytes
}

/// Reads a value that must take all of the bytes.
fn read<T: Value>(bytes: &[u8]) -> Option<T> {
    let mut input = Input::new(bytes);
    T::read(&mut input).filter(|_| input.is_over())
}

/// Checks that a value is decoded as it was encoded, and that no prefix of its bytes is accepted.
fn comes_back<T: Value + Debug>(value: T) {
    let written = bytes(&value);
    let again: T = read(&written).unwrap_or_else(|| panic!("{value:?} is not read"));
    assert_eq!(format!("{again:?}"), format!("{value:?}"));
    assert_eq!(bytes(&again), written);
    for cut in 0..written.len() {
        assert!(read::<T>(&written[..cut]).is_none(), "{value:?} is read of {cut} bytes");
        // The text ends where the bytes are cut off.
        let texts = <(T,)>::texts(&written[..cut]);
        assert!(texts.len() == 1 && texts[0].ends_with('…'), "{texts:?}");
    }
    assert!(!<(T,)>::texts(&written)[0].ends_with('…'));
}

fn datetime() -> impl Strategy<Value = Datetime> {
    (any::<u64>(), any::<u32>()).prop_map(|(seconds, nanoseconds)| Datetime { seconds, nanoseconds })
}

fn stat() -> impl Strategy<Value = fs::DescriptorStat> {
    let times = (option::of(datetime()), option::of(datetime()), option::of(datetime()));
    let types = prop_oneof![Just(fs::DescriptorType::Unknown), Just(fs::DescriptorType::Socket)];
    (types, any::<u64>(), any::<u64>(), times).prop_map(|(type_, link_count, size, times)| fs::DescriptorStat {
        type_,
        link_count,
        size,
        data_access_timestamp: times.0,
        data_modification_timestamp: times.1,
        status_change_timestamp: times.2,
    })
}

fn address() -> impl Strategy<Value = net::IpSocketAddress> {
    let four = (any::<u16>(), any::<(u8, u8, u8, u8)>());
    let six = (any::<u16>(), any::<u32>(), any::<(u16, u16, u16, u16, u16, u16, u16, u16)>(), any::<u32>());
    prop_oneof![
        four.prop_map(|(port, address)| net::IpSocketAddress::Ipv4(net::Ipv4SocketAddress { port, address })),
        six.prop_map(|(port, flow_info, address, scope_id)| {
            net::IpSocketAddress::Ipv6(net::Ipv6SocketAddress { port, flow_info, address, scope_id })
        }),
    ]
}

fn flags() -> impl Strategy<Value = fs::DescriptorFlags> {
    let all = [
        fs::DescriptorFlags::READ,
        fs::DescriptorFlags::WRITE,
        fs::DescriptorFlags::FILE_INTEGRITY_SYNC,
        fs::DescriptorFlags::MUTATE_DIRECTORY,
    ];
    prop::sample::subsequence(all.to_vec(), 0..=all.len())
        .prop_map(|flags| flags.into_iter().fold(fs::DescriptorFlags::empty(), |set, flag| set | flag))
}

fn stream_error() -> impl Strategy<Value = StreamError> {
    let failed = |rep| StreamError::LastOperationFailed(Resource::new_own(rep));
    option::of(any::<u32>()).prop_map(move |rep| rep.map_or(StreamError::Closed, failed))
}

proptest! {
    #[test]
    fn values_come_back(
        texts in vec((".*", ".*"), 0..4),
        nested in vec(option::of(prop_oneof![
            (any::<u8>(), ".*").prop_map(Ok::<(u8, String), u32>),
            any::<u32>().prop_map(Err),
        ]), 0..4),
        read in prop_oneof![
            (vec(any::<u8>(), 0..40), any::<bool>()).prop_map(Ok::<_, fs::ErrorCode>),
            Just(Err(fs::ErrorCode::CrossDevice)),
        ],
        number in any::<u64>(),
    ) {
        comes_back(texts);
        comes_back(nested);
        comes_back(read);
        comes_back(number);
    }

    #[test]
    fn types_of_wasi_come_back(
        stat in stat(),
        address in address(),
        flags in flags(),
        error in stream_error(),
        time in prop_oneof![Just(fs::NewTimestamp::Now), datetime().prop_map(fs::NewTimestamp::Timestamp)],
        data in vec(any::<u8>(), 0..9),
    ) {
        comes_back(stat);
        comes_back(udp::OutgoingDatagram { data, remote_address: Some(address) });
        comes_back(flags);
        comes_back(Err::<u64, _>(error));
        comes_back(time);
    }

    #[test]
    fn any_bytes_are_read_and_shown_without_harm(bytes in vec(any::<u8>(), 0..60)) {
        let _ = read::<Vec<(Resource<fs::Descriptor>, String)>>(&bytes);
        let _ = read::<Result<Vec<udp::IncomingDatagram>, net::ErrorCode>>(&bytes);
        let _ = read::<Result<Option<fs::DirectoryEntry>, fs::ErrorCode>>(&bytes);
        let _ = read::<Result<Option<net::IpAddress>, net::ErrorCode>>(&bytes);
        <(fs::PathFlags, String, fs::NewTimestamp, fs::NewTimestamp)>::texts(&bytes);
        <(Result<fs::DescriptorStat, fs::ErrorCode>,)>::texts(&bytes);
        <(Resource<IoError>, Vec<u8>, fs::OpenFlags)>::texts(&bytes);
    }
}

#[test]
fn a_length_that_lies_costs_no_memory() {
    // This is the length of a list of 2^56 elements.
    let length = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0];
    assert!(read::<Vec<u8>>(&length).is_none());
    assert!(read::<String>(&length).is_none());
    assert!(read::<Vec<net::IpAddress>>(&length).is_none());
}

#[test]
fn cases_have_the_numbers_and_names_of_the_wit() {
    assert_eq!(bytes(&fs::ErrorCode::Access), [0]);
    assert_eq!(bytes(&fs::ErrorCode::CrossDevice), [36]);
    assert_eq!(bytes(&net::ErrorCode::PermanentResolverFailure), [20]);
    let texts = <(Result<u8, fs::ErrorCode>, fs::OpenFlags, fs::NewTimestamp)>::texts(&[1, 20, 5, 1]);
    assert_eq!(texts, ["no-entry", "{create, exclusive}", "now"]);
}
