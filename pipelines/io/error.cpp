#include "pipelines/io/error.hpp"

#include <array>
#include <cerrno>
#include <system_error>

namespace banger {
namespace {

constexpr std::array<std::pair<Errc, std::string_view>, 12> kNames{{
    {Errc::invalid_argument, "invalid_argument"},
    {Errc::not_found, "not_found"},
    {Errc::already_exists, "already_exists"},
    {Errc::conflict, "conflict"},
    {Errc::digest_mismatch, "digest_mismatch"},
    {Errc::unsupported, "unsupported"},
    {Errc::unauthorized, "unauthorized"},
    {Errc::unavailable, "unavailable"},
    {Errc::timed_out, "timed_out"},
    {Errc::cancelled, "cancelled"},
    {Errc::no_space, "no_space"},
    {Errc::internal, "internal"},
}};

}  // namespace

std::string_view to_string(Errc code) {
    for (const auto& [value, name] : kNames) {
        if (value == code) return name;
    }
    return "internal";
}

Errc errc_from_string(std::string_view text) {
    for (const auto& [value, name] : kNames) {
        if (name == text) return value;
    }
    return Errc::internal;
}

Errc errc_from_errno(int error) {
    switch (error) {
        case ENOENT:
        case ENOTDIR:
            return Errc::not_found;
        case EEXIST:
            return Errc::already_exists;
        case ENOSPC:
        case EDQUOT:
            return Errc::no_space;
        case EACCES:
        case EPERM:
            return Errc::unauthorized;
        case EINVAL:
        case ENAMETOOLONG:
            return Errc::invalid_argument;
        case ETIMEDOUT:
            return Errc::timed_out;
        case ECONNREFUSED:
        case ECONNRESET:
        case EHOSTUNREACH:
        case ENETUNREACH:
        case EPIPE:
            return Errc::unavailable;
        case ECANCELED:
            return Errc::cancelled;
        default:
            return Errc::internal;
    }
}

std::string errno_text(int error) {
    return std::generic_category().message(error);
}

}  // namespace banger
