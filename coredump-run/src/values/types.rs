//! Defines the values of the types in the WIT of WASI 0.2.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::IoError;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types as fs;
use wasmtime_wasi::p2::bindings::io::streams::StreamError;
use wasmtime_wasi::p2::bindings::sockets::{network as net, tcp, udp};

use super::compound::{flags, kebab, records, variants};
use super::{Input, Value};

type Ipv4 = (u8, u8, u8, u8);
type Ipv6 = (u16, u16, u16, u16, u16, u16, u16, u16);

records! {
    Datetime { seconds: u64, nanoseconds: u32 }
    fs::DescriptorStat {
        type_: fs::DescriptorType,
        link_count: u64,
        size: u64,
        data_access_timestamp: Option<Datetime>,
        data_modification_timestamp: Option<Datetime>,
        status_change_timestamp: Option<Datetime>
    }
    fs::DirectoryEntry { type_: fs::DescriptorType, name: String }
    fs::MetadataHashValue { lower: u64, upper: u64 }
    net::Ipv4SocketAddress { port: u16, address: Ipv4 }
    net::Ipv6SocketAddress { port: u16, flow_info: u32, address: Ipv6, scope_id: u32 }
    udp::IncomingDatagram { data: Vec<u8>, remote_address: net::IpSocketAddress }
    udp::OutgoingDatagram { data: Vec<u8>, remote_address: Option<net::IpSocketAddress> }
}

variants! {
    StreamError { LastOperationFailed(Resource<IoError>), Closed }
    fs::Advice { Normal, Sequential, Random, WillNeed, DontNeed, NoReuse }
    fs::DescriptorType {
        Unknown, BlockDevice, CharacterDevice, Directory, Fifo, SymbolicLink, RegularFile, Socket
    }
    fs::ErrorCode {
        Access, WouldBlock, Already, BadDescriptor, Busy, Deadlock, Quota, Exist, FileTooLarge, IllegalByteSequence,
        InProgress, Interrupted, Invalid, Io, IsDirectory, Loop, TooManyLinks, MessageSize, NameTooLong, NoDevice,
        NoEntry, NoLock, InsufficientMemory, InsufficientSpace, NotDirectory, NotEmpty, NotRecoverable, Unsupported,
        NoTty, NoSuchDevice, Overflow, NotPermitted, Pipe, ReadOnly, InvalidSeek, TextFileBusy, CrossDevice
    }
    fs::NewTimestamp { NoChange, Now, Timestamp(Datetime) }
    net::ErrorCode {
        Unknown, AccessDenied, NotSupported, InvalidArgument, OutOfMemory, Timeout, ConcurrencyConflict, NotInProgress,
        WouldBlock, InvalidState, NewSocketLimit, AddressNotBindable, AddressInUse, RemoteUnreachable,
        ConnectionRefused, ConnectionReset, ConnectionAborted, DatagramTooLarge, NameUnresolvable,
        TemporaryResolverFailure, PermanentResolverFailure
    }
    net::IpAddress { Ipv4(Ipv4), Ipv6(Ipv6) }
    net::IpAddressFamily { Ipv4, Ipv6 }
    net::IpSocketAddress { Ipv4(net::Ipv4SocketAddress), Ipv6(net::Ipv6SocketAddress) }
    tcp::ShutdownType { Receive, Send, Both }
}

flags! {
    fs::DescriptorFlags {
        READ, WRITE, FILE_INTEGRITY_SYNC, DATA_INTEGRITY_SYNC, REQUESTED_WRITE_SYNC, MUTATE_DIRECTORY
    }
    fs::OpenFlags { CREATE, DIRECTORY, EXCLUSIVE, TRUNCATE }
    fs::PathFlags { SYMLINK_FOLLOW }
}

/// A resource is encoded as its number in the host's table, which identifies it in a replay.
impl<T> Value for Resource<T> {
    fn write(&self, output: &mut Vec<u8>) {
        self.rep().write(output);
    }

    fn read(input: &mut Input<'_>) -> Option<Resource<T>> {
        u32::read(input).map(Resource::new_own)
    }

    fn show(input: &mut Input<'_>, text: &mut String) -> Option<()> {
        u32::show(input, text)
    }
}
