#include "pipelines/image/registry/registry_blob.hpp"

#include <algorithm>

#include "pipelines/image/registry/range_response.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

/// Progress that earns a connection new tries: a server that gives a byte each time gets none.
constexpr std::uint64_t kProgress = 256 * 1024;

}  // namespace

RegistryBlob::RegistryBlob(RegistryClient& client, Descriptor descriptor)
    : client_(client), descriptor_(std::move(descriptor)), retries_(client.origin_.new_retries()) {
    add_places();
    retries_ = place().host->new_retries();
}

void RegistryBlob::add_places() {
    if (!client_.distrusted_.contains(descriptor_.digest.to_string())) {
        for (const auto& mirror : client_.mirrors_)
            places_.push_back({mirror.get(), {}, true});
    }
    places_.push_back({&client_.origin_, {}, false});
    for (const auto& url : descriptor_.urls)
        places_.push_back({&client_.origin_, url, false});
}

bool RegistryBlob::move_on(const Error& error) {
    const bool is_origin = !place().is_mirror && place().foreign_url.empty();
    if (place_ + 1 == places_.size()) return false;
    // The registry's own refusal stands; only what it does not have may be elsewhere.
    if (is_origin && error.code() != Errc::not_found) return false;
    if (error.code() == Errc::cancelled) return false;
    response_.reset();
    ++place_;
    retries_ = place().host->new_retries();
    ranges_ = true;
    return true;
}

Task<std::size_t> RegistryBlob::read_some(std::span<std::byte> buffer) {
    for (;;) {
        if (offset_ == descriptor_.size) {
            co_await check_end();
            co_return 0;
        }
        const auto left = descriptor_.size - offset_;
        std::exception_ptr cut;
        const auto size = co_await read_or_cut(
            buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left))),
            cut);
        if (size > 0) {
            count(size);
            co_return size;
        }
        response_.reset();
        co_await wait_or_move_on(cut);
    }
}

Task<void> RegistryBlob::wait_or_move_on(std::exception_ptr cut) {
    try {
        co_await place().host->wait_before_retry(retries_, cut);
    } catch (const Error& error) {
        if (!move_on(error)) throw;
    }
}

Task<std::size_t> RegistryBlob::read_or_cut(std::span<std::byte> buffer, std::exception_ptr& cut) {
    try {
        if (!response_) co_await open();
        const auto size = co_await response_->read_some(buffer);
        if (size > 0) co_return size;
        fail(Errc::unavailable, "layer {} was cut after {} of {} bytes",
             descriptor_.digest.short_hex(), offset_, descriptor_.size);
    } catch (const Error& error) {
        if (!is_transient(error)) throw;
        cut = std::current_exception();
    }
    co_return 0;
}

/// At the first place that has it.
Task<void> RegistryBlob::open() {
    for (;;) {
        try {
            co_return co_await request();
        } catch (const Error& error) {
            if (!move_on(error)) throw;
        }
    }
}

Task<void> RegistryBlob::request() {
    const auto from = ranges_ ? offset_ : 0;
    auto& host = *place().host;
    if (place().foreign_url.empty()) {
        response_ =
            co_await host.get({"blobs/" + descriptor_.digest.to_string(), "", from}, retries_);
    } else {
        response_ = co_await host.get_foreign(place().foreign_url, from);
    }
    if (from > 0 && !answers_range(*response_, offset_, descriptor_.size)) {
        ranges_ = false;
        response_.reset();
        co_return co_await request();
    }
    const int status = response_->status();
    if (status != 200 && status != 206) {
        co_await host.fail_status(std::move(response_), "blob " + descriptor_.digest.short_hex());
    }
    const auto encoding = response_->headers().find("Content-Encoding").value_or("identity");
    if (encoding != "identity") {
        fail(Errc::unsupported, "{} sent blob {} in the encoding {}", host.name(),
             descriptor_.digest.short_hex(), encoding);
    }
    if (status == 200) {
        co_await skip_to(*response_, offset_, descriptor_.size,
                         "blob " + descriptor_.digest.short_hex());
    }
    if (place().is_mirror) client_.second_hand_.insert(descriptor_.digest.to_string());
}

/// Reading to the very end gives the connection back; a byte too many means the size was a lie.
Task<void> RegistryBlob::check_end() {
    if (!response_) co_return;
    std::byte extra{};
    std::exception_ptr cut;
    if (co_await read_or_cut({&extra, 1}, cut) > 0) {
        fail(Errc::digest_mismatch, "blob {} is longer than the {} bytes of its descriptor",
             descriptor_.digest.short_hex(), descriptor_.size);
    }
    response_.reset();
}

void RegistryBlob::count(std::size_t bytes) {
    offset_ += bytes;
    since_reset_ += bytes;
    if (since_reset_ < kProgress) return;
    retries_.reset();
    since_reset_ = 0;
}

}  // namespace banger::image
