#include "pipelines/io/uring.hpp"

#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>
#include <vector>

#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/notifier.hpp"
#include "pipelines/io/wait.hpp"

namespace banger {

namespace asio = boost::asio;

namespace {

constexpr unsigned kMinEntries = 64;

bool has_write_opcodes(io_uring& ring) {
    io_uring_probe* probe = io_uring_get_probe_ring(&ring);
    if (probe == nullptr) return false;
    const bool complete = io_uring_opcode_supported(probe, IORING_OP_WRITE) != 0 &&
                          io_uring_opcode_supported(probe, IORING_OP_WRITE_FIXED) != 0;
    io_uring_free_probe(probe);
    return complete;
}

std::vector<iovec> as_iovecs(const BufferPool& buffers) {
    std::vector<iovec> vectors;
    for (const auto buffer : buffers.buffers()) {
        vectors.push_back({buffer.data(), buffer.size()});
    }
    return vectors;
}

}  // namespace

struct Uring::State : std::enable_shared_from_this<State> {
    using Done = std::function<void(int)>;

    explicit State(asio::any_io_executor ex)
        : executor(std::move(ex)), event(executor), changed(executor) {}
    ~State() {
        if (ring_made) io_uring_queue_exit(&ring);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    /// Returns the reason when it does not work.
    std::string set_up(BufferPool& pool);
    void wait_for_completions();
    void reap();
    void submit_soon();
    void submit();

    asio::any_io_executor executor;
    io_uring ring{};
    bool ring_made = false;
    bool registered = false;
    std::vector<iovec> vectors;
    asio::posix::stream_descriptor event;
    Notifier changed;
    unsigned in_flight = 0;
    bool submit_posted = false;
    bool waiting = false;
};

std::string Uring::State::set_up(BufferPool& pool) {
    const unsigned entries = std::max(kMinEntries, std::bit_ceil(2 * pool.count()));
    if (const int error = -io_uring_queue_init(entries, &ring, 0); error != 0) {
        return "io_uring_setup: " + errno_text(error);
    }
    ring_made = true;
    if (!has_write_opcodes(ring)) return "the kernel's io_uring cannot write";
    const int event_fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event_fd < 0) return "eventfd: " + errno_text(errno);
    event.assign(event_fd);
    if (const int error = -io_uring_register_eventfd(&ring, event_fd); error != 0) {
        return "io_uring_register(eventfd): " + errno_text(error);
    }
    vectors = as_iovecs(pool);
    // Over the memlock limit plain IORING_OP_WRITE does the same with one page walk more per write.
    const auto count = static_cast<unsigned>(vectors.size());
    registered = io_uring_register_buffers(&ring, vectors.data(), count) == 0;
    return {};
}

void Uring::State::wait_for_completions() {
    waiting = true;
    auto ready = [self = shared_from_this()](const boost::system::error_code& error) {
        self->waiting = false;
        if (error) return self->changed.notify();
        self->reap();
        self->wait_for_completions();
    };
    event.async_wait(asio::posix::stream_descriptor::wait_read, std::move(ready));
}

void Uring::State::reap() {
    // The counter only says that there is something; several completions may share one event.
    std::uint64_t events = 0;
    (void)!::read(event.native_handle(), &events, sizeof events);
    io_uring_cqe* cqe = nullptr;
    while (io_uring_peek_cqe(&ring, &cqe) == 0) {
        std::unique_ptr<Done> done(static_cast<Done*>(io_uring_cqe_get_data(cqe)));
        const int result = cqe->res;
        io_uring_cqe_seen(&ring, cqe);
        asio::post(executor, [done = std::move(*done), result] { done(result); });
        if (--in_flight == 0) changed.notify();
    }
}

void Uring::State::submit_soon() {
    if (std::exchange(submit_posted, true)) return;
    asio::post(executor, [self = shared_from_this()] {
        self->submit_posted = false;
        self->submit();
    });
}

void Uring::State::submit() {
    const int result = io_uring_submit(&ring);
    if (result >= 0) return;
    // Out of kernel memory for now: what is queued stays queued, and the next turn tries again.
    if (result == -EAGAIN || result == -EBUSY || result == -EINTR) return submit_soon();
    fail_errno(-result, "io_uring_enter");
}

Uring::Uring() = default;
Uring::~Uring() = default;

std::unique_ptr<Uring> Uring::try_make(asio::any_io_executor executor, BufferPool& buffers,
                                       std::string& why_not) {
    auto state = std::make_shared<State>(std::move(executor));
    why_not = state->set_up(buffers);
    if (!why_not.empty()) return nullptr;
    state->wait_for_completions();
    std::unique_ptr<Uring> uring(new Uring);
    uring->state_ = std::move(state);
    return uring;
}

void Uring::write_fixed(int fd, unsigned index, std::size_t size, std::uint64_t offset,
                        std::function<void(int)> done) {
    auto& state = *state_;
    io_uring_sqe* sqe = io_uring_get_sqe(&state.ring);
    if (sqe == nullptr) fail(Errc::internal, "io_uring submission queue is full");
    const void* memory = state.vectors.at(index).iov_base;
    const auto length = static_cast<unsigned>(size);
    if (state.registered) {
        io_uring_prep_write_fixed(sqe, fd, memory, length, offset, static_cast<int>(index));
    } else {
        io_uring_prep_write(sqe, fd, memory, length, offset);
    }
    io_uring_sqe_set_data(sqe, new State::Done(std::move(done)));
    ++state.in_flight;
    state.submit_soon();
}

asio::any_io_executor Uring::executor() const {
    return state_->executor;
}

Task<void> Uring::close() {
    auto state = state_;
    bool cancelled =
        co_await wait_through_cancel(state->changed, [&state] { return state->in_flight == 0; });
    state->event.cancel();
    cancelled |= co_await wait_through_cancel(state->changed, [&state] { return !state->waiting; });
    if (cancelled) throw_cancelled();
}

}  // namespace banger
