from bridged_state._core.patience import Patience


def test_a_silent_server_is_waited_for_shortly_where_another_can_go_on() -> None:
    patience = Patience(None, None)
    assert [patience.heartbeat_ms(True), patience.silence_ms(True, 0), patience.answer_ms(True, 0)] == [400, 600, 1_000]
    assert [patience.heartbeat_ms(False), patience.silence_ms(False, 0), patience.answer_ms(False, 0)] == [5_000, 7_500, 5_000]


def test_as_long_as_was_asked_for() -> None:
    patience = Patience(200, 50)
    patience.handle_silence(0)
    for has_others in (True, False):
        assert patience.heartbeat_ms(has_others) == 200
        assert patience.silence_ms(has_others, 0) == 300
        assert patience.answer_ms(has_others, 0) == 50
    assert patience.late_ms() == 900


def test_twice_as_long_behind_each_other_that_fell_silent_until_one_has_stood_for_long() -> None:
    patience = Patience(None, None)
    patience.handle_silence(60_000)
    assert [patience.silence_ms(True, 0), patience.answer_ms(True, 0)] == [1_200, 2_000]
    patience.handle_silence(3_000)
    assert [patience.silence_ms(True, 9_999), patience.answer_ms(True, 9_999)] == [2_400, 4_000]
    for _ in range(2_000):
        patience.handle_silence(0)
    assert [patience.silence_ms(True, 0), patience.answer_ms(True, 0)] == [7_500, 5_000]
    assert [patience.silence_ms(True, 10_000), patience.answer_ms(True, 10_000)] == [600, 1_000]
