#include "json/field_path.hpp"

#include <fmt/format.h>

namespace vectorizer::rest {

void FieldPath::append(std::string& out) const {
  if (parent_ != nullptr) parent_->append(out);
  if (index_) {
    out += fmt::format("[{}]", *index_);
  } else if (!name_.empty()) {
    if (!out.empty()) out += '.';
    out += name_;
  }
}

std::string FieldPath::text() const {
  std::string out;
  append(out);
  return out.empty() ? "body" : out;
}

}  // namespace vectorizer::rest
