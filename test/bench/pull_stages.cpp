// The stages of a pull, each alone on this machine: what `test/bench/pull` computes its bound from.
//   pull_stages DISK-FILE BLOB...
// Prints JSON: CPU seconds of each stage over all blobs, the longest inflate, the seconds that the
// content takes to the disk, and how many cores' time the machine gives when all of them and the
// disk are busy.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <numeric>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "pipelines/image/tar_stream.hpp"
#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/io/decompress.hpp"
#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/unique_fd.hpp"

using namespace banger;

namespace {

constexpr std::size_t kPiece = 256 * 1024;

double cpu_now() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// Adds the CPU time of its life.
class CpuTimer {
  public:
    explicit CpuTimer(double& sum) : sum_(sum) {}
    ~CpuTimer() { sum_ += cpu_now() - start_; }
    CpuTimer(const CpuTimer&) = delete;
    CpuTimer& operator=(const CpuTimer&) = delete;

  private:
    double& sum_;
    const double start_ = cpu_now();
};

std::vector<std::byte> read_all(const std::string& path) {
    const auto file = open_file(path, O_RDONLY, 0);
    std::vector<std::byte> bytes(static_cast<std::size_t>(::lseek(file.get(), 0, SEEK_END)));
    for (std::size_t done = 0; done < bytes.size();) {
        const auto count =
            ::pread(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
        if (count <= 0) fail(Errc::internal, "cannot read {}", path);
        done += static_cast<std::size_t>(count);
    }
    return bytes;
}

template <class Use>
void in_pieces(std::span<const std::byte> bytes, Use use) {
    for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
        use(bytes.subspan(at, std::min(kPiece, bytes.size() - at)));
    }
}

void hash(std::span<const std::byte> bytes) {
    Hasher hasher;
    in_pieces(bytes, [&](auto piece) { hasher.update(piece); });
    hasher.finish();
}

void inflate(std::span<const std::byte> blob, const Decompressor::Sink& sink) {
    const auto decoder = make_decompressor(sniff_compression(blob));
    in_pieces(blob, [&](auto piece) { decoder->push(piece, sink); });
    decoder->finish(sink);
}

/// Takes content and forgets it; counts the blocks that would be written.
class Nowhere : public image::ContentSink {
  public:
    void begin_file() override {}
    void append(std::span<const std::byte> bytes) override { content_ += bytes.size(); }
    void skip(std::uint64_t) override {}
    std::vector<image::Extent> end_file() override { return {}; }
    std::uint64_t content() const { return content_; }

  private:
    std::uint64_t content_ = 0;
};

struct Totals {
    std::map<std::string, double> cpu;
    double longest_inflate = 0;
    std::uint64_t tar_bytes = 0;
    std::uint64_t content_bytes = 0;
    std::uint64_t entries = 0;
};

void measure(const std::string& path, Totals& totals) {
    const auto blob = read_all(path);
    {
        const CpuTimer timer(totals.cpu["blob hash"]);
        hash(blob);
    }
    double inflating = 0;
    std::uint64_t size = 0;
    {
        const CpuTimer timer(inflating);
        inflate(blob, [&](std::span<const std::byte> plain) { size += plain.size(); });
    }
    totals.cpu["inflate"] += inflating;
    totals.longest_inflate = std::max(totals.longest_inflate, inflating);
    totals.tar_bytes += size;

    std::vector<std::byte> tar;
    tar.reserve(size);
    inflate(blob, [&](auto plain) { tar.insert(tar.end(), plain.begin(), plain.end()); });
    {
        const CpuTimer timer(totals.cpu["tar hash"]);
        hash(tar);
    }
    Nowhere sink;
    image::ImageBudget budget;
    std::size_t at = 0;
    {
        const CpuTimer timer(totals.cpu["tar parse"]);
        const auto contents = image::read_tar(
            [&] {
                const auto piece = std::span(tar).subspan(at, std::min(kPiece, tar.size() - at));
                at += piece.size();
                return std::span<const std::byte>(piece);
            },
            sink, budget);
        totals.entries += contents.entries.size();
    }
    totals.content_bytes += sink.content();
    std::vector<std::byte> copy(kPiece);
    const CpuTimer timer(totals.cpu["copy"]);
    in_pieces(std::span(tar).first(std::min<std::size_t>(tar.size(), sink.content())),
              [&](auto piece) {
                  std::memcpy(copy.data(), piece.data(), piece.size());
                  asm volatile("" : : "r"(copy.data()) : "memory");  // as if it were read
              });
}

/// As the pull writes, but one buffer after the other: past the page cache, 1 MiB at a time.
double disk_seconds(const std::string& path, std::uint64_t bytes, double& cpu) {
    BufferPool pool(1);
    const auto lease = pool.lease_blocking({});
    std::memset(lease.bytes().data(), 'x', lease.bytes().size());
    const auto file = open_file(path, O_RDWR | O_CREAT | O_DIRECT, 0600);
    const CpuTimer timer(cpu);
    const auto began = std::chrono::steady_clock::now();
    for (std::uint64_t at = 0; at < bytes; at += BufferPool::kBufferSize) {
        if (::pwrite(file.get(), lease.bytes().data(), BufferPool::kBufferSize,
                     static_cast<off_t>(at)) != BufferPool::kBufferSize) {
            fail_errno(errno, "cannot write {}", path);
        }
    }
    ::fsync(file.get());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

/// The CPU seconds that a second gives to one thread for each core, and to one that writes to the
/// disk: fewer than the cores where the host shares them out (steal time).
double cores_at_once(const std::string& path, std::uint64_t bytes) {
    std::vector<double> cpu(std::max(1U, std::thread::hardware_concurrency()));
    double written = 0;
    const auto began = std::chrono::steady_clock::now();
    {
        std::vector<std::jthread> threads;
        threads.reserve(cpu.size());
        for (auto& used : cpu) {
            threads.emplace_back([&used](const std::stop_token& stop) {
                const std::vector<std::byte> block(kPiece);
                const CpuTimer timer(used);
                while (!stop.stop_requested())
                    hash(block);
            });
        }
        disk_seconds(path, bytes, written);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    return std::reduce(cpu.begin(), cpu.end(), written) / took.count();
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 3) {
        std::fputs("usage: pull_stages DISK-FILE BLOB...\n", stderr);
        return 2;
    }
    Totals totals;
    for (int i = 2; i < argc; ++i)
        measure(argv[i], totals);
    const double disk = disk_seconds(argv[1], totals.content_bytes, totals.cpu["write"]);
    boost::json::object cpu;
    for (const auto& [stage, seconds] : totals.cpu)
        cpu[stage] = seconds;
    const boost::json::object result{{"cpu_seconds", cpu},
                                     {"longest_inflate_seconds", totals.longest_inflate},
                                     {"disk_seconds", disk},
                                     {"tar_bytes", totals.tar_bytes},
                                     {"entries", totals.entries},
                                     {"content_bytes", totals.content_bytes},
                                     {"cores", cores_at_once(argv[1], totals.content_bytes)}};
    std::puts(boost::json::serialize(result).c_str());
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "pull_stages: %s\n", error.what());
    return 1;
}
