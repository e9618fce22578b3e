#include "daemon/vm/firecracker_backend.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/this_coro.hpp>

#include "daemon/vm/boot_report.hpp"
#include "daemon/vm/file_tail.hpp"
#include "daemon/vm/firecracker_client.hpp"
#include "daemon/vm/networked_machine.hpp"
#include "daemon/vm/vmm_process.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {

namespace asio = boost::asio;

namespace {

/// From the process to the started guest. Firecracker needs some 20 ms, a busy host more.
constexpr std::chrono::seconds kLaunchLimit{60};
constexpr std::chrono::milliseconds kLookAgain{5};

class FirecrackerControl final : public MachineControl {
  public:
    FirecrackerControl(asio::any_io_executor executor, std::string socket)
        : executor_(std::move(executor)), socket_(std::move(socket)) {}
    Task<void> pause() override { return tell(firecracker_pause()); }
    Task<void> resume() override { return tell(firecracker_resume()); }
    Task<void> grow_disk(std::size_t index, std::string path, std::uint64_t bytes) override {
        if (::truncate(path.c_str(), static_cast<off_t>(bytes)) != 0) {
            fail_errno(errno, "cannot make {} longer", path);
        }
        co_await tell(firecracker_disk_changed(index, path));
    }

  private:
    /// On a connection of its own, so that nothing has to be found again after a restart.
    Task<void> tell(FirecrackerCall call) {
        FirecrackerClient client(executor_, socket_);
        co_await client.call(std::move(call));
    }

    asio::any_io_executor executor_;
    std::string socket_;
};

bool listens(const asio::any_io_executor& executor, const std::string& path) {
    asio::local::stream_protocol::socket socket(executor);
    boost::system::error_code error;
    socket.connect(path, error);
    return !error;
}

Task<void> configure(asio::any_io_executor executor, std::string socket,
                     std::vector<FirecrackerCall> calls) {
    // There is no event for a socket that begins to listen.
    while (!listens(executor, socket))
        co_await sleep_for(kLookAgain);
    FirecrackerClient client(executor, socket);
    for (auto& call : calls)
        co_await client.call(std::move(call));
}

/// Firecracker unlinks nothing, and refuses an address in use. The listener of the guest's own
/// connections is the daemon's and stays.
void remove_stale_sockets(const std::string& directory) {
    for (const auto& path : {firecracker_socket(directory), directory + "/vsock.sock"})
        ::unlink(path.c_str());
}

class FirecrackerBackend final : public Backend {
  public:
    FirecrackerBackend(asio::any_io_executor executor, FirecrackerOptions options)
        : executor_(std::move(executor)), options_(std::move(options)) {}

    std::string name() const override { return "firecracker"; }
    std::string isolation() const override { return options_.kvm ? "hardware" : "emulated"; }
    bool uses_pci(bool) const override { return false; }
    bool uses_vsock() const override { return true; }

    Task<std::unique_ptr<Machine>> launch(const MachineSpec& given) override {
        auto spec = given;
        spec.user_network = spec.user_network && options_.network;
        auto calls = firecracker_calls(options_.version, spec);
        remove_stale_sockets(spec.directory);
        auto machine = spawn(spec);
        std::exception_ptr error;
        try {
            co_await start(*machine, spec, std::move(calls));
        } catch (...) {
            error = std::current_exception();
        }
        if (!error) co_return machine;
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        machine->kill();
        co_await machine->wait_end();
        std::rethrow_exception(error);
    }

    std::optional<MachineHandle> find_orphan_blocking(const std::string& directory) override {
        return find_process_with_argument_blocking(firecracker_socket(directory));
    }

    std::unique_ptr<Machine> adopt(const MachineHandle& handle,
                                   const std::string& directory) override {
        return with_network_end(executor_, find_machine(executor_, handle, control(directory)),
                                directory);
    }

    std::string describe_exit(const std::string& log_directory,
                              const std::optional<ExitStatus>& status) const override {
        auto words = last_lines(read_tail_blocking(log_directory + "/vmm.log", 4096), 1);
        if (words.empty()) {
            words = last_lines(read_tail_blocking(log_directory + "/firecracker.log", 4096), 1);
        }
        auto how = status ? describe_firecracker_exit(*status) : "ended while no daemon watched";
        return words.empty() ? how : how + ": " + words;
    }

  private:
    std::unique_ptr<MachineControl> control(const std::string& directory) const {
        return std::make_unique<FirecrackerControl>(executor_, firecracker_socket(directory));
    }

    std::vector<std::string> command_line(const MachineSpec& spec) const {
        std::vector<std::string> words{options_.binary, "--api-sock",
                                       firecracker_socket(spec.directory), "--id", spec.id};
        if (!spec.user_network) return words;
        return with_user_network(options_.launcher, *options_.network, spec.directory,
                                 spec.log_directory, std::move(words));
    }

    std::unique_ptr<Machine> spawn(const MachineSpec& spec) {
        auto log = open_file(spec.log_directory + "/vmm.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
        // Its own log is another file: it does not append, and would write over its last words.
        open_file(spec.log_directory + "/firecracker.log", O_WRONLY | O_CREAT, 0600);
        // Appended to, so that the daemon may shorten the file meanwhile (file_tail.hpp).
        auto console =
            open_file(spec.log_directory + "/serial.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
        bool serial_device = options_.version >= kSerialDeviceFirecracker;
        SubprocessOptions process;
        process.argv = command_line(spec);
        process.cwd = spec.directory;
        // Older ones have no other place for the guest's console.
        process.stdout_fd = serial_device ? log.get() : console.get();
        process.stderr_fd = log.get();
        process.new_session = true;
        if (spec.user_network) make_life(spec.directory);
        return with_network_end(
            executor_,
            make_child_machine(Subprocess::spawn(executor_, process), control(spec.directory)),
            spec.directory);
    }

    Task<void> start(Machine& machine, const MachineSpec& spec,
                     std::vector<FirecrackerCall> calls) {
        auto told =
            with_timeout(kLaunchLimit,
                         configure(executor_, firecracker_socket(spec.directory), std::move(calls)),
                         fmt::format("firecracker did not take its configuration within {} s",
                                     kLaunchLimit.count()));
        auto first = co_await race(std::move(told), machine.wait_end());
        if (first.index() == 0) co_return;
        fail(Errc::unavailable, "firecracker ended before the guest started: {}",
             describe_exit(spec.log_directory, std::get<1>(first)));
    }

    asio::any_io_executor executor_;
    FirecrackerOptions options_;
};

const char* meaning(int code) {
    switch (code) {
        case 148:
            return "a system call that its filter forbids";
        case 149:
            return "a bus error (SIGBUS)";
        case 150:
            return "a memory fault (SIGSEGV)";
        case 151:
            return "a file beyond its size limit (SIGXFSZ)";
        case 152:
            return "a configuration that it cannot use";
        case 153:
            return "arguments that it does not know";
        case 154:
            return "a processor limit (SIGXCPU)";
        case 155:
            return "a broken pipe (SIGPIPE)";
        case 156:
            return "a hang-up (SIGHUP)";
        case 157:
            return "an illegal instruction (SIGILL)";
        default:
            return nullptr;
    }
}

}  // namespace

std::string describe_firecracker_exit(const ExitStatus& status) {
    const auto* what = status.signal == 0 ? meaning(status.code) : nullptr;
    return what ? status.describe() + ", " + what : status.describe();
}

std::unique_ptr<Backend> make_firecracker_backend(asio::any_io_executor executor,
                                                  FirecrackerOptions options) {
    return std::make_unique<FirecrackerBackend>(std::move(executor), std::move(options));
}

}  // namespace banger::vm
