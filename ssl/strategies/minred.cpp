#include "ssl/strategies/minred.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "ssl/buffers/min_redundancy.h"
#include "ssl/strategies/buffer_only.h"

namespace nagare::ssl {
namespace {

// What both variants share: arriving images enter the buffer, and every update refreshes the features of what it saw.
class MinRed : public Strategy {
 public:
  MinRed(const StrategyContext& context, const MinRedOptions& options)
      : context_(context),
        options_(options),
        buffer_({.slots = context.capacity + context.stream_batch,
                 .embedding_dim = context.embedding_dim,
                 .image_shape = context.image_shape,
                 .device = context.device}) {}

  void arrive(const Batch& batch) override { buffer_.insert(batch); }

  void after_step(const Update& update) override {
    buffer_.update_features(trained_slots_, update.output.embedding, options_.feature_keep);
  }

  std::vector<std::int64_t> stored_ids() const override { return ids_of(buffer_.stored(), buffer_.by_age()); }

  void list_state(nn::StateList& list) const override {
    const nn::StateList::Scope scope(list, "buffer");
    buffer_.list_state(list);
  }

 protected:
  std::vector<std::int64_t> pick(const std::vector<std::int64_t>& slots, std::int64_t count,
                                 const Progress& progress) const {
    return draw_from(slots, count, replay_key(context_.seed, progress.step));
  }

  // Between batches the buffer has room for the next one.
  std::string problem_of_size(std::int64_t least, std::int64_t most) const {
    if (buffer_.size() >= least && buffer_.size() <= most) return "";
    return "minred: " + std::to_string(buffer_.size()) + " images in the buffer, need " +
           std::to_string(least) + " to " + std::to_string(most) + " there";
  }

  StrategyContext context_;
  MinRedOptions options_;
  MinRedundancyBuffer buffer_;
  std::vector<std::int64_t> trained_slots_;  // of the update between compose() and after_step()
};

class StreamReplay final : public MinRed {
 public:
  using MinRed::MinRed;

  Batch compose(const Batch& batch, const Progress& progress) override {
    std::vector<std::int64_t> older = buffer_.by_age();  // its last entries are the arriving images, in order
    const auto arrived = older.end() - static_cast<std::ptrdiff_t>(batch.ids.size());
    trained_slots_.assign(arrived, older.end());
    older.erase(arrived, older.end());
    const std::vector<std::int64_t> replayed = pick(older, context_.replay, progress);
    trained_slots_.insert(trained_slots_.end(), replayed.begin(), replayed.end());
    return with_replay(batch, buffer_.stored(), replayed);
  }

  std::int64_t most_replayed(std::int64_t earlier) const override { return context_.most_drawn(earlier); }

  void finish(const Batch& /*batch*/) override { buffer_.evict(context_.capacity); }

  // The batch under way lies in it.
  std::string problem_at(const Place& place) const override {
    return problem_of_size(place.arriving, context_.capacity + place.arriving);
  }
};

class BufferOnly final : public MinRed {
 public:
  using MinRed::MinRed;

  void arrive(const Batch& batch) override {
    MinRed::arrive(batch);
    buffer_.evict(context_.capacity);
  }

  Batch compose(const Batch& batch, const Progress& progress) override {
    trained_slots_.clear();
    if (buffer_.size() < context_.capacity && !options_.train_while_filling) return nothing_of(batch);
    trained_slots_ = pick(buffer_.by_age(), static_cast<std::int64_t>(batch.ids.size()), progress);
    return with_replay(nothing_of(batch), buffer_.stored(), trained_slots_);
  }

  std::string problem_at(const Place& place) const override {
    return problem_of_size(std::min(place.arriving, context_.capacity), context_.capacity);
  }
};

}  // namespace

OptionSet MinRedOptions::bind() {
  OptionSet set;
  set.choice("variant", variant, {"buffer-only", "stream-replay"},
             "train on arriving and replayed images, or on the buffer alone as published");
  set.number("feature-keep", feature_keep, {.low = 0.0, .high = 1.0},
             "share of the old feature in an entry's running mean");
  set.flag("train-while-filling", train_while_filling, "buffer-only: train before the buffer is full");
  return set;
}

std::unique_ptr<Strategy> make_minred(const StrategyContext& context) {
  MinRedOptions options;
  options.bind().assign("minred", context.options);
  if (options.variant == "buffer-only") {
    check_buffer_only("minred", context);
    return std::make_unique<BufferOnly>(context, options);
  }
  return std::make_unique<StreamReplay>(context, options);
}

}  // namespace nagare::ssl
