#include "pipelines/image/registry/open_archive.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "pipelines/image/registry/archive_spool.hpp"
#include "pipelines/image/registry/docker_archive.hpp"
#include "pipelines/image/registry/oci_layout.hpp"
#include "pipelines/image/registry/tar_index.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/decompress.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

using Kind = ArchiveReference::Kind;

/// Where what must be inflated goes.
struct Spool {
    std::string directory;
    std::uint64_t disk_reserve = 0;
};

constexpr std::size_t kPiece = 256 * 1024;

std::string place_of(const ArchiveReference& reference) {
    return reference.is_standard_input() ? "the archive on standard input"
                                         : "the archive " + reference.path;
}

UniqueFd open_regular(const ArchiveReference& reference, const UniqueFd* standard_input) {
    if (reference.is_standard_input()) {
        if (!standard_input) {
            fail(Errc::invalid_argument,
                 "'{}' means standard input, but no archive came with the request",
                 reference.to_string());
        }
        UniqueFd copy(::fcntl(standard_input->get(), F_DUPFD_CLOEXEC, 3));
        if (!copy) fail_errno(errno, "cannot read {}", place_of(reference));
        return copy;
    }
    // A FIFO would wait for its writer.
    auto file = open_file(reference.path, O_RDONLY | O_NONBLOCK);
    struct stat status{};
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        fail(Errc::invalid_argument,
             "{} is no regular file; an archive from elsewhere goes through standard input",
             reference.path);
    }
    return file;
}

Compression compression_of(const UniqueFd& file, const std::string& place) {
    std::array<std::byte, 4> head{};
    const auto size = ::pread(file.get(), head.data(), head.size(), 0);
    if (size < 0) fail_errno(errno, "cannot read {}", place);
    return sniff_compression(std::span(head).first(static_cast<std::size_t>(size)));
}

UniqueFd inflate_blocking(const UniqueFd& file, const std::string& place, const Spool& spool_to,
                          const std::stop_token& stop) try {
    ArchiveSpool spool(spool_to.directory, spool_to.disk_reserve);
    std::vector<std::byte> piece(kPiece);
    off_t at = 0;
    for (;;) {
        if (stop.stop_requested()) fail(Errc::cancelled, "the pull was cancelled");
        const auto size = ::pread(file.get(), piece.data(), piece.size(), at);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) fail_errno(errno, "cannot read {}", place);
        if (size == 0) return spool.finish_blocking();
        spool.write_blocking(std::span(piece).first(static_cast<std::size_t>(size)));
        at += size;
    }
} catch (const Error& error) {
    if (error.code() != Errc::invalid_argument) throw;
    fail(Errc::invalid_argument, "{} is damaged: {}", place, error.what());
}

std::unique_ptr<TarIndex> index_blocking(const ArchiveReference& reference,
                                         const UniqueFd* standard_input, const Spool& spool_to,
                                         const std::stop_token& stop) {
    const auto place = place_of(reference);
    auto file = open_regular(reference, standard_input);
    if (compression_of(file, place) != Compression::none) {
        file = inflate_blocking(file, place, spool_to, stop);
    }
    return std::make_unique<TarIndex>(std::move(file), place, stop);
}

/// What `docker save` writes today is both; its manifest.json has the names that people know.
Kind kind_of(const ArchiveReference& reference, const TarIndex& files) {
    const bool is_docker = files.find_linked("manifest.json").has_value();
    const bool is_oci = files.find("index.json").has_value();
    if (!is_docker && !is_oci) {
        fail(Errc::invalid_argument,
             "{} holds no image: it has neither manifest.json (docker save) nor index.json (OCI)",
             files.name());
    }
    if (reference.kind == Kind::oci && !is_oci) {
        fail(Errc::invalid_argument,
             "{} is no OCI archive but a Docker one: write docker-archive:", files.name());
    }
    if (reference.kind == Kind::docker && !is_docker) {
        fail(Errc::invalid_argument,
             "{} is no Docker archive but an OCI one: write oci-archive:", files.name());
    }
    if (reference.kind != Kind::any) return reference.kind;
    return is_docker ? Kind::docker : Kind::oci;
}

}  // namespace

Task<std::unique_ptr<ImageSource>> open_archive(PullContext context, ArchiveReference reference,
                                                std::string spool_dir,
                                                std::shared_ptr<const UniqueFd> standard_input) {
    const Spool spool_to{std::move(spool_dir), context.disk_reserve};
    auto files = co_await run_blocking(context.pool, [&](std::stop_token stop) {
        return index_blocking(reference, standard_input.get(), spool_to, stop);
    });
    if (kind_of(reference, *files) == Kind::docker) {
        co_return make_docker_archive(context, std::move(files), reference.name);
    }
    auto place = files->name();
    co_return make_layout(std::move(files), std::move(place), "oci-archive:" + reference.path,
                          reference.name);
}

}  // namespace banger::image
