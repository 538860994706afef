"""Terms and places of the search index."""

from hypothesis import given
from hypothesis import strategies as st

from storage.sql.rows import search_key
from storage.sql.search_terms import SEGMENT_SIZE, buckets, keyword_buckets, places, read_places, write_places

PLACES = st.sets(st.integers(0, SEGMENT_SIZE - 1), max_size=200)


@given(PLACES)
def test_places_come_back_as_they_were_written(given_places: set[int]) -> None:
    bits = sum(1 << place for place in given_places)
    assert places(bits) == sorted(given_places)
    text = write_places(bits)
    assert len(text) <= 258
    assert read_places(text) == bits


@given(st.text(max_size=30), st.text(min_size=1, max_size=12), st.text(max_size=30))
def test_a_text_is_in_every_bucket_of_what_it_contains(before: str, keyword: str, after: str) -> None:
    text, key = search_key(before + keyword + after), search_key(keyword)
    found = buckets([(5, [text])])
    if key in text and key:
        assert all(found.get(bucket) == 1 << 5 for bucket in keyword_buckets(key))


def test_a_long_keyword_has_few_buckets() -> None:
    assert len(keyword_buckets("abcdefghijklmnopqrstuvwxyz" * 8)) <= 6
