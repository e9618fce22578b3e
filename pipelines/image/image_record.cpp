#include "pipelines/image/image_record.hpp"

#include <charconv>

#include "pipelines/io/json.hpp"
#include "pipelines/io/time.hpp"

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

}  // namespace

std::int64_t creation_time(const std::string& rfc3339) {
    const auto seconds = parse_rfc3339(rfc3339);
    return !seconds || *seconds < kEarliest || *seconds > kLatest ? kNoTime : *seconds;
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
