#pragma once

// The wire contract between banger's daemon and the agent in the guest; the only file both share.
//
// CONNECTION. The guest dials the host: vsock CID 2 port kPort, or the virtio-serial port kPortName
// where there is no vsock. Both arrive at the daemon's Unix listener <vm>/vsock.sock_1024.
//   guest -> host: hello line: "\n" kHelloPrefix JSON "\n"          (see Hello below)
//   then HTTP/2 (RFC 9113, prior knowledge): the daemon is the client, the guest the server.
// A virtio-serial port has no connections of its own, so either side may see the tail of an earlier
// one. The host skips bytes until a hello line. The guest skips bytes until the client preface
// ("PRI * HTTP/2.0…"). On any protocol error, or when the host end goes away, it drops all streams'
// transport (processes live on: their input ends, their output is thrown away), waits for the host,
// and says hello again. A host that hears no hello for 500 ms sends kPoke zero bytes in one write.
// They are an error in any HTTP/2 session, also inside a frame when 400 ms of silence went before.
// Outside a session they are skipped, and answered by another hello when the last one is older than
// 400 ms; so the host skips further hello lines ("\n", never the first byte of HTTP/2) until the
// guest's first frame.
//
// HELLO (JSON object):
//   version   integer, kProtocolVersion; the host refuses another
//   boot_id   string, /proc/sys/kernel/random/boot_id
//   init      string, "banger" or "image": who is PID 1
//   timeline  array of {"name": string, "ms": number}: milliseconds since the kernel started
//             (CLOCK_BOOTTIME); names: "init", "modules", "root", "network", "agent"
//
// REQUESTS (HTTP/2, path below "/v1"):
//   GET  /v1/health    -> 200 {"boot_id","uptime_ms","init","system"}; system is systemd's
//                         "running"|"degraded"|"starting"|… or "none"
//   POST /v1/exec      -> frames both ways, see below
//   GET  /v1/listeners -> 200 {"listeners":[{"address","port","process"}]}: the TCP sockets that
//                         wait for connections, by port, at most 4096; process is "" where not
//                         known
//   GET  /v1/traffic   -> 200 {"received","sent"}: bytes through the guest's network cards since it
//                         started; an older agent has no such path
//   POST /v1/connect?port=N -> bytes both ways, see below
//   POST /v1/sync      -> 204 after sync(2)
//   POST /v1/grow-disk   -> 204 once the VM's own file system is as large as its disk
//   POST /v1/shutdown  {"reboot":bool,"within_ms":integer} -> 204 once file systems are synced;
//                         then powers off (or reboots) within that time of the request; a systemd
//                         stops its services first. Without within_ms, and with an older agent,
//                         within kShutdownSeconds
//   POST /v1/clock     {"realtime_ns":integer} -> 204
// Errors: 4xx/5xx with {"error":{"code","message"}}, codes as in the daemon's API.
//
// EXEC. Request and response bodies are sequences of frames: channel (1 byte), length (4 bytes, big
// endian, at most kMaxFrame), payload. Channel numbers are those of Kubernetes' v5.channel.k8s.io
// where it has one. The first request frame is `request`; the response header comes when the
// process has started, or 4xx/5xx with an error body. A process that cannot be started at all
// because there is no such command is not an error: its status frame says 127 (126: not
// executable). The end of the request body closes standard input like `close` of channel 0 does;
// with a tty either is typed as ^D. After the status frame the guest ends the stream, and resets it
// with NO_ERROR when the request side is still open. Flow control is HTTP/2's: a reader that stops
// stops the process's pipe, nothing is buffered without bound. When the stream is reset (the client
// vanished), the process group gets SIGHUP, then SIGKILL 2 s later. Output that comes later than
// 100 ms after the process's end is not waited for.

// CONNECT. The stream is a TCP connection to that port of the guest, tried at 127.0.0.1, at ::1 and
// at the address of whoever listens there. The response header comes when it stands, or an error
// body: 400 for no port, 503 when nothing accepts there. Bodies are the bytes. The end of one body
// shuts that direction and leaves the other as it is; a reset of the stream is a reset of the
// connection, both ways. When the guest's process takes nothing more, the guest resets the stream
// once it has said all. Flow control is HTTP/2's: a side that does not read stops the other.

#include <cstddef>
#include <cstdint>

namespace banger::guest {

inline constexpr int kProtocolVersion = 1;
inline constexpr std::uint32_t kPort = 1024;
inline constexpr char kPortName[] = "org.banger.agent.0";
inline constexpr char kHelloPrefix[] = "BANGER-HELLO ";
inline constexpr std::size_t kPoke = 64;
inline constexpr std::size_t kMaxFrame = 64 * 1024;
inline constexpr int kShutdownSeconds = 10;

enum class Channel : std::uint8_t {
    standard_in = 0,     ///< host -> guest bytes; guest closes the pipe at `close` of channel 0
    standard_out = 1,    ///< guest -> host bytes; with a tty all output
    standard_error = 2,  ///< guest -> host bytes
    status = 3,          ///< guest -> host, last: {"exit_code":n} or {"signal":n}
    resize = 4,          ///< host -> guest: {"Width":cols,"Height":rows}
    signal = 5,          ///< host -> guest: {"signal":n}, to the process group. Not Kubernetes'.
    request = 6,         ///< host -> guest, first: an exec request, see below. Not Kubernetes'.
    close = 255,         ///< host -> guest: payload is one byte, the channel that is closed
};

// EXEC REQUEST (JSON object):
//   argv      array of strings, at least one; looked up in env's PATH when it has no slash
//   env       array of "NAME=value"; defaults (PATH, HOME, USER, TERM with a tty) are filled in by
//             the agent, then the image's (settings), then these
//   cwd       string; empty: the user's home
//   user      string: name, uid, name:group or uid:gid as in the image's /etc/passwd; empty: root
//   tty       bool;  width, height: integers, the first size
//   stdin     bool; false: /dev/null
//
// PER-VM SETTINGS: the second cpio holds kSettingsPath, a JSON object:
//   hostname   string
//   init       "auto" | "image" | "banger"
//   disk_mode  "overlay" | "copy"     (overlay: /dev/vda, the image, read-only, and /dev/vdb, an
//              ext4 of the VM's own, empty at first; copy: /dev/vda read-write)
//   network    {"address":"10.0.2.15/24","gateway":"10.0.2.2","dns":["10.0.2.3"]} or absent
//   env        array of "NAME=value": the image's, defaults for exec
//   working_dir string: the image's, default cwd for exec when the user is root; may be empty
//   modules    array of strings: files in the initramfs, in load order
//   realtime_ns integer: host clock at start, for guests without an RTC
// The kernel command line carries nothing secret and nothing per-VM but console and clock.
inline constexpr char kSettingsPath[] = "/banger/settings.json";
inline constexpr char kModulesDirectory[] = "/banger/modules";
/// The agent's own place in the initramfs: it is /init.
inline constexpr char kInitPath[] = "/init";

// BOOT MARKS. Early init writes lines "banger: <name> <ms>" to the kernel log (serial console),
// and, when it gives up, "banger: fatal: <verdict>" with a plain sentence, then powers off. They
// follow the kernel's own time stamp ("[    0.862269] banger: init 812"). The daemon reads them
// from the serial log for the boot black box.
inline constexpr char kFatalMark[] = "banger: fatal: ";

}  // namespace banger::guest
