#include "pipelines/image/image_record.hpp"

#include <time.h>

#include <charconv>
#include <cstdio>
#include <optional>

#include "pipelines/io/json.hpp"

namespace banger::image {
namespace {

constexpr std::int64_t kNoTime = 1577836800;   // 2020-01-01
constexpr std::int64_t kEarliest = 315532800;  // 1980-01-01
constexpr std::int64_t kLatest = 4294967295;   // as far as 32 bits reach

std::uint8_t byte_at(const std::string& hex, std::size_t index) {
    std::uint8_t value = 0;
    std::from_chars(hex.data() + 2 * index, hex.data() + 2 * index + 2, value, 16);
    return value;
}

/// "Z", "+02:00" or "-0730", in seconds east of Greenwich.
std::optional<std::int64_t> parse_zone(const char* text) {
    if (*text == 'Z' || *text == 'z') return 0;
    int hours = 0, minutes = 0;
    char sign = 0;
    if (std::sscanf(text, "%c%2d:%2d", &sign, &hours, &minutes) != 3) return std::nullopt;
    if (sign != '+' && sign != '-') return std::nullopt;
    return (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}

}  // namespace

std::int64_t creation_time(const std::string& rfc3339) {
    std::tm parts{};
    const char* rest = ::strptime(rfc3339.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == nullptr) return kNoTime;
    if (*rest == '.') {
        do
            ++rest;
        while (*rest >= '0' && *rest <= '9');
    }
    const auto zone = parse_zone(rest);
    if (!zone) return kNoTime;
    const std::int64_t seconds = ::timegm(&parts) - *zone;
    return seconds < kEarliest || seconds > kLatest ? kNoTime : seconds;
}

Ext4Options ext4_options_for(const Digest& manifest, const std::string& created,
                             std::uint64_t size) {
    Ext4Options options;
    options.time = creation_time(created);
    options.size = size;
    const auto seed = sha256("banger ext4 " + manifest.to_string()).hex;
    for (std::size_t i = 0; i < options.uuid.size(); ++i)
        options.uuid[i] = byte_at(seed, i);
    // RFC 9562: version 8 (made by a rule of our own), variant 10.
    options.uuid[6] = static_cast<std::uint8_t>((options.uuid[6] & 0x0F) | 0x80);
    options.uuid[8] = static_cast<std::uint8_t>((options.uuid[8] & 0x3F) | 0x80);
    for (std::size_t i = 0; i < options.hash_seed.size(); ++i) {
        for (std::size_t b = 0; b < 4; ++b)
            options.hash_seed[i] = options.hash_seed[i] << 8 | byte_at(seed, 16 + 4 * i + b);
    }
    return options;
}

std::string make_image_record(const PulledImage& pulled, const ResolvedImage& image) {
    boost::json::array layers;
    for (std::size_t i = 0; i < image.manifest.layers.size(); ++i) {
        const auto& layer = image.manifest.layers[i];
        layers.push_back({{"digest", layer.digest.to_string()},
                          {"diff_id", image.config.diff_ids[i].to_string()},
                          {"size", layer.size}});
    }
    const boost::json::object record{{"version", 1},
                                     {"reference", pulled.reference},
                                     {"digest", pulled.digest.to_string()},
                                     {"created", image.config.created},
                                     {"config", to_json(pulled.config)},
                                     {"size", pulled.size},
                                     {"used_bytes", pulled.used_bytes},
                                     {"download_bytes", pulled.download_bytes},
                                     {"layers", std::move(layers)},
                                     {"warnings", to_json(pulled.warnings)}};
    return boost::json::serialize(record) + "\n";
}

}  // namespace banger::image
