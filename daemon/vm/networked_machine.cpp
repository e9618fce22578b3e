#include "daemon/vm/networked_machine.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "daemon/vm/user_network.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::vm {

namespace asio = boost::asio;

namespace {

/// From the VMM's death on; it takes milliseconds.
constexpr std::chrono::seconds kLimit{10};

class NetworkedMachine final : public Machine {
  public:
    NetworkedMachine(asio::any_io_executor executor, std::unique_ptr<Machine> machine,
                     UniqueFd life)
        : machine_(std::move(machine)), life_(std::move(executor), life.release()) {}

    MachineHandle handle() const override { return machine_->handle(); }
    void signal(int number) noexcept override { machine_->signal(number); }
    Task<void> pause() override { return machine_->pause(); }
    Task<void> resume() override { return machine_->resume(); }
    Task<void> grow_disk(std::size_t index, std::string path, std::uint64_t bytes) override {
        return machine_->grow_disk(index, std::move(path), bytes);
    }

    Task<std::optional<ExitStatus>> wait_end() override {
        auto status = co_await machine_->wait_end();
        try {
            co_await with_timeout(kLimit, wait_life(), "what carried its network lives on");
        } catch (const Error& e) {
            spdlog::error("vmm {} has ended: {}", machine_->handle().pid, e.what());
        }
        co_return status;
    }

  private:
    /// A FIFO whose last writer has gone is at its end.
    Task<void> wait_life() {
        std::array<char, 16> ignored{};
        for (;;) {
            auto [error, count] = co_await life_.async_read_some(asio::buffer(ignored), as_tuple);
            if (error == asio::error::operation_aborted) throw_cancelled();
            if (error) co_return;
        }
    }

    std::unique_ptr<Machine> machine_;
    asio::posix::stream_descriptor life_;
};

}  // namespace

std::unique_ptr<Machine> with_network_end(asio::any_io_executor executor,
                                          std::unique_ptr<Machine> machine,
                                          const std::string& directory) {
    if (!machine) return nullptr;
    UniqueFd life(::open(life_path(directory).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!life) return machine;
    return std::make_unique<NetworkedMachine>(std::move(executor), std::move(machine),
                                              std::move(life));
}

}  // namespace banger::vm
