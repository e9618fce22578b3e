#include "pipelines/image/registry/challenge.hpp"

#include <algorithm>
#include <cctype>

namespace banger::image {
namespace {

std::string to_lower(std::string_view text) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return lower;
}

/// A cursor over one field value.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    bool done() const { return text_.empty(); }
    void restore(std::string_view text) { text_ = text; }
    std::string_view rest() const { return text_; }

    void skip_space() {
        while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\t'))
            text_.remove_prefix(1);
    }
    /// Empty list elements are allowed (RFC 9110, section 5.6.1).
    void skip_commas() {
        for (skip_space(); accept(','); skip_space()) {
        }
    }
    bool accept(char c) {
        if (text_.empty() || text_.front() != c) return false;
        text_.remove_prefix(1);
        return true;
    }
    std::string_view token() {
        const auto end = std::find_if_not(text_.begin(), text_.end(), is_token_char);
        return take(static_cast<std::size_t>(end - text_.begin()));
    }
    /// Nullopt when the closing quote is missing.
    std::optional<std::string> quoted() {
        std::string value;
        for (accept('"'); !text_.empty(); text_.remove_prefix(1)) {
            if (text_.front() == '"') {
                text_.remove_prefix(1);
                return value;
            }
            if (text_.front() == '\\' && text_.size() > 1) text_.remove_prefix(1);
            value += text_.front();
        }
        return std::nullopt;
    }
    bool at_quote() const { return !text_.empty() && text_.front() == '"'; }

    /// Skips credentials such as Negotiate's: letters, digits and "-._~+/", then '='s.
    void skip_token68() {
        const auto is_char = [](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) ||
                   std::string_view("-._~+/=").find(c) != std::string_view::npos;
        };
        const auto end = std::find_if_not(text_.begin(), text_.end(), is_char);
        take(static_cast<std::size_t>(end - text_.begin()));
    }

  private:
    static bool is_token_char(char c) {
        return std::isalnum(static_cast<unsigned char>(c)) ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    }
    std::string_view take(std::size_t count) {
        const auto taken = text_.substr(0, count);
        text_.remove_prefix(count);
        return taken;
    }

    std::string_view text_;
};

/// A `name = value`; nullopt, with nothing consumed, when something else stands there.
std::optional<std::pair<std::string, std::string>> read_parameter(Scanner& in) {
    const auto before = in.rest();
    const auto name = in.token();
    in.skip_space();
    if (!name.empty() && in.accept('=')) {
        in.skip_space();
        std::optional<std::string> value;
        if (in.at_quote()) {
            value = in.quoted();
        } else if (const auto token = in.token(); !token.empty()) {
            value = std::string(token);
        }
        in.skip_space();
        if (value && (in.done() || in.rest().front() == ',')) {
            return std::pair(to_lower(name), std::move(*value));
        }
    }
    in.restore(before);
    return std::nullopt;
}

void read_parameters(Scanner& in, Challenge& challenge) {
    in.skip_space();
    auto parameter = read_parameter(in);
    if (!parameter) in.skip_token68();
    while (parameter) {
        challenge.parameters.push_back(std::move(*parameter));
        in.skip_commas();
        parameter = read_parameter(in);
    }
}

void read_field(std::string_view field, std::vector<Challenge>& out) {
    Scanner in(field);
    for (in.skip_commas(); !in.done(); in.skip_commas()) {
        Challenge challenge{to_lower(in.token()), {}};
        if (challenge.scheme.empty()) return;
        const bool has_parameters = in.rest().starts_with(' ') || in.rest().starts_with('\t');
        if (!has_parameters && !in.done() && !in.rest().starts_with(',')) return;
        if (has_parameters) read_parameters(in, challenge);
        out.push_back(std::move(challenge));
    }
}

}  // namespace

std::optional<std::string> Challenge::find(std::string_view name) const {
    for (const auto& [key, value] : parameters) {
        if (key == name) return value;
    }
    return std::nullopt;
}

std::vector<Challenge> parse_challenges(std::span<const std::string> fields) {
    std::vector<Challenge> challenges;
    for (const auto& field : fields)
        read_field(field, challenges);
    return challenges;
}

}  // namespace banger::image
