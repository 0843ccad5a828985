//! Defines the functions of WASI 0.2: their parameters by the WIT, and whether they may wait.

use wasmtime::Result;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::cli::WasiCliView;
use wasmtime_wasi::clocks::WasiClocksView;
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types as fs};
use wasmtime_wasi::p2::bindings::io::{error, poll, streams};
use wasmtime_wasi::p2::bindings::sockets::{
    instance_network, ip_name_lookup as lookup, network as net, tcp, tcp_create_socket, udp, udp_create_socket,
};
use wasmtime_wasi::p2::bindings::{cli, clocks, random};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError};
use wasmtime_wasi::random::WasiRandomView;
use wasmtime_wasi::sockets::WasiSocketsView;
use wasmtime_wasi::{I32Exit, p2};

use super::imports::{Imports, LibraryResult};
use crate::host::Host;

/// Offers the functions of an interface: those of the trait that is named after it, which `Host::$view` implements. A
/// trait of a resource's methods names the resource.
macro_rules! functions {
    ($interface:ident, $view:ident, $host:path: $($how:ident $function:ident($($argument:ident: $ty:ty),*);)*) => {$(
        functions!(@$how $interface, $view, $host, &stringify!($function).replace('_', "-"),
            $function($($argument: $ty),*));
    )*};
    ($interface:ident, $view:ident, $host:path, $resource:literal of $own:ty:
        $($how:ident $function:ident($($argument:ident: $ty:ty),*);)*
    ) => {$(
        functions!(@$how $interface, $view, $host,
            &format!("[method]{}.{}", $resource, stringify!($function).replace('_', "-")),
            $function(this: Resource<$own>, $($argument: $ty),*));
    )*};
    (@sync $interface:ident, $view:ident, $host:path, $name:expr, $function:ident($($argument:ident: $ty:ty),* $(,)?)) => {
        $interface.sync($name, &[$(stringify!($argument)),*], |host: &mut Host, ($($argument,)*): ($($ty,)*)| {
            let answer = <_ as $host>::$function(&mut host.$view(), $($argument),*);
            Ok((answer.given(host)?,))
        })?;
    };
    (@waits $interface:ident, $view:ident, $host:path, $name:expr, $function:ident($($argument:ident: $ty:ty),* $(,)?)) => {
        $interface.waits($name, &[$(stringify!($argument)),*], |host: &mut Host, ($($argument,)*): ($($ty,)*)| {
            Box::pin(async move {
                let answer = <_ as $host>::$function(&mut host.$view(), $($argument),*).await;
                Ok((answer.given(host)?,))
            })
        })?;
    };
}

/// Offers the resources of an interface, and says whether dropping one may wait.
macro_rules! resources {
    ($interface:ident, $view:ident: $($how:ident $resource:literal $ty:ty, $host:path;)*) => {$(
        resources!(@$how $interface, $view, $resource, $ty, $host);
    )*};
    (@sync $interface:ident, $view:ident, $resource:literal, $ty:ty, $host:path) => {
        $interface.resource($resource, ResourceType::host::<$ty>(), |host, (own,)| {
            <_ as $host>::drop(&mut host.$view(), Resource::new_own(own))
        })?;
    };
    (@waits $interface:ident, $view:ident, $resource:literal, $ty:ty, $host:path) => {
        $interface.resource_waits($resource, ResourceType::host::<$ty>(), |host, (own,)| {
            Box::pin(async move { <_ as $host>::drop(&mut host.$view(), Resource::new_own(own)).await })
        })?;
    };
}

/// The interfaces that are defined here.
pub const INTERFACES: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Offers the functions that a component imports.
pub fn link(linker: &mut Linker<Host>, imports: &Imports) -> Result<()> {
    link_io(linker, imports)?;
    link_cli(linker, imports)?;
    link_clocks(linker, imports)?;
    link_random(linker, imports)?;
    link_filesystem(linker, imports)?;
    link_sockets(linker, imports)?;
    link_tcp(linker, imports)?;
    link_udp(linker, imports)
}

fn link_io(linker: &mut Linker<Host>, imports: &Imports) -> Result<()> {
    if let Some(mut interface) = imports.interface("wasi:io/error", linker)? {
        resources! { interface, table: sync "error" IoError, error::HostError; }
        functions! { interface, table, error::HostError, "error" of IoError: sync to_debug_string(); }
    }
    if let Some(mut interface) = imports.interface("wasi:io/poll", linker)? {
        resources! { interface, table: sync "pollable" DynPollable, poll::HostPollable; }
        functions! { interface, table, poll::HostPollable, "pollable" of DynPollable: waits ready(); }
        interface.waits("[method]pollable.block", &["this"], |host, (own,): (Resource<DynPollable>,)| {
            Box::pin(async move { poll::HostPollable::block(host.table(), own).await })
        })?;
        interface.waits("poll", &["in"], |host, (list,): (Vec<Resource<DynPollable>>,)| {
            Box::pin(async move { poll::Host::poll(host.table(), list).await.map(|ready| (ready,)) })
        })?;
    }
    let Some(mut interface) = imports.interface("wasi:io/streams", linker)? else { return Ok(()) };
    resources! { interface, table:
        waits "input-stream" DynInputStream, streams::HostInputStream;
        waits "output-stream" DynOutputStream, streams::HostOutputStream;
    }
    functions! { interface, table, streams::HostInputStream, "input-stream" of DynInputStream:
        sync read(len: u64);
        waits blocking_read(len: u64);
        sync skip(len: u64);
        waits blocking_skip(len: u64);
        sync subscribe();
    }
    functions! { interface, table, streams::HostOutputStream, "output-stream" of DynOutputStream:
        sync check_write();
        sync write(contents: Vec<u8>);
        waits blocking_write_and_flush(contents: Vec<u8>);
        sync flush();
        waits blocking_flush();
        sync subscribe();
        sync write_zeroes(len: u64);
        waits blocking_write_zeroes_and_flush(len: u64);
        sync splice(src: Resource<DynInputStream>, len: u64);
        waits blocking_splice(src: Resource<DynInputStream>, len: u64);
    }
    Ok(())
}

fn link_cli(linker: &mut Linker<Host>, imports: &Imports) -> Result<()> {
    if let Some(mut interface) = imports.interface("wasi:cli/environment", linker)? {
        functions! { interface, cli, cli::environment::Host:
            sync get_environment();
            sync get_arguments();
            sync initial_cwd();
        }
    }
    if let Some(mut interface) = imports.interface("wasi:cli/exit", linker)? {
        interface.sync("exit", &["status"], |_, (status,): (Result<(), ()>,)| -> Result<()> {
            Err(I32Exit(i32::from(status.is_err())).into())
        })?;
        interface.sync("exit-with-code", &["status-code"], |_, (code,): (u8,)| -> Result<()> {
            Err(I32Exit(code.into()).into())
        })?;
    }
    if let Some(mut interface) = imports.interface("wasi:cli/stdin", linker)? {
        functions! { interface, cli, cli::stdin::Host: sync get_stdin(); }
    }
    if let Some(mut interface) = imports.interface("wasi:cli/stdout", linker)? {
        functions! { interface, cli, cli::stdout::Host: sync get_stdout(); }
    }
    if let Some(mut interface) = imports.interface("wasi:cli/stderr", linker)? {
        functions! { interface, cli, cli::stderr::Host: sync get_stderr(); }
    }
    if let Some(mut interface) = imports.interface("wasi:cli/terminal-input", linker)? {
        resources! { interface, cli:
            sync "terminal-input" cli::terminal_input::TerminalInput, cli::terminal_input::HostTerminalInput;
        }
    }
    if let Some(mut interface) = imports.interface("wasi:cli/terminal-output", linker)? {
        resources! { interface, cli:
            sync "terminal-output" cli::terminal_output::TerminalOutput, cli::terminal_output::HostTerminalOutput;
        }
    }
    if let Some(mut interface) = imports.interface("wasi:cli/terminal-stdin", linker)? {
        functions! { interface, cli, cli::terminal_stdin::Host: sync get_terminal_stdin(); }
    }
    if let Some(mut interface) = imports.interface("wasi:cli/terminal-stdout", linker)? {
        functions! { interface, cli, cli::terminal_stdout::Host: sync get_terminal_stdout(); }
    }
    if let Some(mut interface) = imports.interface("wasi:cli/terminal-stderr", linker)? {
        functions! { interface, cli, cli::terminal_stderr::Host: sync get_terminal_stderr(); }
    }
    Ok(())
}

fn link_clocks(linker: &mut Linker<Host>, imports: &Imports) -> Result<()> {
    if let Some(mut interface) = imports.interface("wasi:clocks/monotonic-clock", linker)? {
        functions! { interface, clocks, clocks::monotonic_clock::Host:
            sync now();
            sync resolution();
            sync subscribe_instant(when: u64);
            sync subscribe_duration(when: u64);
        }
    }
    if let Some(mut interface) = imports.interface("wasi:clocks/wall-clock", linker)? {
        functions! { interface, clocks, clocks::wall_clock::Host:
            sync now();
            sync resolution();
        }
    }
    Ok(())
}

fn link_random(linker: &mut Linker<Host>, imports: &Imports) -> Result<()> {
    if let Some(mut interface) = imports.interface("wasi:random/random", linker)? {
        functions! { interface, random, random::random::Host:
            sync get_random_bytes(len: u64);
            sync get_random_u64();
        }
    }
    if let Some(mut interface) = imports.interface("wasi:random/insecure", linker)? {
        functions! { interface, random, random::insecure::Host:
            sync get_insecure_random_bytes(len: u64);
            sync get_insecure_random_u64();
        }
    }
    if let Some(mut interface) = imports.interface("wasi:random/insecure-seed", linker)? {
        functions! { interface, random, random::insecure_seed::Host: sync insecure_seed(); }
    }
    Ok(())
}

fn link_filesystem(linker: &mut Linker<Host>, imports: &Imports) -> Result<()> {
    if let Some(mut interface) = imports.interface("wasi:filesystem/preopens", linker)? {
        functions! { interface, filesystem, preopens::Host: sync get_directories(); }
    }
    let Some(mut interface) = imports.interface("wasi:filesystem/types", linker)? else { return Ok(()) };
    resources! { interface, filesystem:
        sync "descriptor" fs::Descriptor, fs::HostDescriptor;
        sync "directory-entry-stream" fs::DirectoryEntryStream, fs::HostDirectoryEntryStream;
    }
    functions! { interface, filesystem, fs::HostDescriptor, "descriptor" of fs::Descriptor:
        sync read_via_stream(offset: u64);
        sync write_via_stream(offset: u64);
        sync append_via_stream();
        waits advise(offset: u64, length: u64, advice: fs::Advice);
        waits sync_data();
        waits get_flags();
        waits get_type();
        waits set_size(size: u64);
        waits set_times(data_access_timestamp: fs::NewTimestamp, data_modification_timestamp: fs::NewTimestamp);
        waits read(length: u64, offset: u64);
        waits write(buffer: Vec<u8>, offset: u64);
        waits read_directory();
        waits sync();
        waits create_directory_at(path: String);
        waits stat();
        waits stat_at(path_flags: fs::PathFlags, path: String);
        waits set_times_at(
            path_flags: fs::PathFlags,
            path: String,
            data_access_timestamp: fs::NewTimestamp,
            data_modification_timestamp: fs::NewTimestamp
        );
        waits link_at(
            old_path_flags: fs::PathFlags,
            old_path: String,
            new_descriptor: Resource<fs::Descriptor>,
            new_path: String
        );
        waits open_at(
            path_flags: fs::PathFlags,
            path: String,
            open_flags: fs::OpenFlags,
            flags: fs::DescriptorFlags
        );
        waits readlink_at(path: String);
        waits remove_directory_at(path: String);
        waits rename_at(old_path: String, new_descriptor: Resource<fs::Descriptor>, new_path: String);
        waits symlink_at(old_path: String, new_path: String);
        waits unlink_file_at(path: String);
        waits is_same_object(other: Resource<fs::Descriptor>);
        waits metadata_hash();
        waits metadata_hash_at(path_flags: fs::PathFlags, path: String);
    }
    functions! { interface, filesystem, fs::HostDirectoryEntryStream,
        "directory-entry-stream" of fs::DirectoryEntryStream:
        waits read_directory_entry();
    }
    functions! { interface, filesystem, fs::Host: sync filesystem_error_code(err: Resource<IoError>); }
    Ok(())
}

fn link_sockets(linker: &mut Linker<Host>, imports: &Imports) -> Result<()> {
    if let Some(mut interface) = imports.interface("wasi:sockets/network", linker)? {
        resources! { interface, sockets: sync "network" net::Network, net::HostNetwork; }
    }
    if let Some(mut interface) = imports.interface("wasi:sockets/instance-network", linker)? {
        functions! { interface, sockets, instance_network::Host: sync instance_network(); }
    }
    if let Some(mut interface) = imports.interface("wasi:sockets/ip-name-lookup", linker)? {
        resources! { interface, sockets:
            sync "resolve-address-stream" lookup::ResolveAddressStream, lookup::HostResolveAddressStream;
        }
        functions! { interface, sockets, lookup::HostResolveAddressStream,
            "resolve-address-stream" of lookup::ResolveAddressStream:
            sync resolve_next_address();
            sync subscribe();
        }
        functions! { interface, sockets, lookup::Host:
            sync resolve_addresses(network: Resource<net::Network>, name: String);
        }
    }
    if let Some(mut interface) = imports.interface("wasi:sockets/tcp-create-socket", linker)? {
        functions! { interface, sockets, tcp_create_socket::Host:
            sync create_tcp_socket(address_family: net::IpAddressFamily);
        }
    }
    if let Some(mut interface) = imports.interface("wasi:sockets/udp-create-socket", linker)? {
        functions! { interface, sockets, udp_create_socket::Host:
            waits create_udp_socket(address_family: net::IpAddressFamily);
        }
    }
    Ok(())
}

fn link_tcp(linker: &mut Linker<Host>, imports: &Imports) -> Result<()> {
    let Some(mut interface) = imports.interface("wasi:sockets/tcp", linker)? else { return Ok(()) };
    resources! { interface, sockets: sync "tcp-socket" p2::TcpSocket, tcp::HostTcpSocket; }
    functions! { interface, sockets, tcp::HostTcpSocket, "tcp-socket" of p2::TcpSocket:
        waits start_bind(network: Resource<net::Network>, local_address: net::IpSocketAddress);
        sync finish_bind();
        sync start_connect(network: Resource<net::Network>, remote_address: net::IpSocketAddress);
        sync finish_connect();
        waits start_listen();
        sync finish_listen();
        sync accept();
        sync local_address();
        sync remote_address();
        sync is_listening();
        sync address_family();
        sync set_listen_backlog_size(value: u64);
        sync keep_alive_enabled();
        sync set_keep_alive_enabled(value: bool);
        sync keep_alive_idle_time();
        sync set_keep_alive_idle_time(value: u64);
        sync keep_alive_interval();
        sync set_keep_alive_interval(value: u64);
        sync keep_alive_count();
        sync set_keep_alive_count(value: u32);
        sync hop_limit();
        sync set_hop_limit(value: u8);
        sync receive_buffer_size();
        sync set_receive_buffer_size(value: u64);
        sync send_buffer_size();
        sync set_send_buffer_size(value: u64);
        sync subscribe();
        sync shutdown(shutdown_type: tcp::ShutdownType);
    }
    Ok(())
}

fn link_udp(linker: &mut Linker<Host>, imports: &Imports) -> Result<()> {
    let Some(mut interface) = imports.interface("wasi:sockets/udp", linker)? else { return Ok(()) };
    resources! { interface, sockets:
        sync "udp-socket" p2::UdpSocket, udp::HostUdpSocket;
        sync "incoming-datagram-stream" udp::IncomingDatagramStream, udp::HostIncomingDatagramStream;
        waits "outgoing-datagram-stream" udp::OutgoingDatagramStream, udp::HostOutgoingDatagramStream;
    }
    functions! { interface, sockets, udp::HostUdpSocket, "udp-socket" of p2::UdpSocket:
        waits start_bind(network: Resource<net::Network>, local_address: net::IpSocketAddress);
        sync finish_bind();
        waits stream(remote_address: Option<net::IpSocketAddress>);
        sync local_address();
        sync remote_address();
        sync address_family();
        sync unicast_hop_limit();
        sync set_unicast_hop_limit(value: u8);
        sync receive_buffer_size();
        sync set_receive_buffer_size(value: u64);
        sync send_buffer_size();
        sync set_send_buffer_size(value: u64);
        sync subscribe();
    }
    functions! { interface, sockets, udp::HostIncomingDatagramStream,
        "incoming-datagram-stream" of udp::IncomingDatagramStream:
        sync receive(max_results: u64);
        sync subscribe();
    }
    functions! { interface, sockets, udp::HostOutgoingDatagramStream,
        "outgoing-datagram-stream" of udp::OutgoingDatagramStream:
        sync check_send();
        sync send(datagrams: Vec<udp::OutgoingDatagram>);
        sync subscribe();
    }
    Ok(())
}
