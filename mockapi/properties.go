package mockapi

import "strconv"

// appendProperties writes a JSON object. The recorded sizes [R] leave exactly 16 bytes for it, and so it is, but for one
// in 256, which is longer and holds what breaks a careless client: an integer beyond float64, a surrogate pair, depth.
func appendProperties(dst []byte, x uint64) []byte {
	shape, v := x&0xff, x>>8
	if shape == 0xff {
		return appendOrder(dst, v)
	}
	switch shape % 12 {
	case 0:
		dst = append(append(dst, `{"page":"/`...), pick(v, "home", "docs", "blog", "cart", "help", "shop")...)
		return append(dst, `"}`...)
	case 1:
		return append(strconv.AppendUint(append(dst, `{"clicks":`...), 10_000+v%90_000, 10), '}')
	case 2:
		return append(appendDigits(append(dst, `{"depth":0.`...), v, 4), '}')
	case 3:
		return append(dst, pick(v, `{"retried":true}`, `{"cached":false}`)...)
	case 4:
		return append(dst, pick(v, `{"a":{"b":null}}`, `{"ab":{"v":"B"}}`, `{"utm":{"id":7}}`)...)
	case 5:
		return append(dst, pick(v, `{"in":"Zürich"}`, `{"in":"Málaga"}`, `{"in":"Gdańsk"}`)...)
	case 6:
		return append(dst, pick(v, `{"mood":"🎉!"}`, `{"mood":"👋?"}`)...)
	case 7:
		return append(dst, pick(v, `{"tag":"a\"b\""}`, `{"path":"C:\\x"}`, `{"tab":"a\tb\n"}`)...)
	case 8:
		return append(dst, `{"variant":null}`...)
	case 9:
		return append(dst, pick(v, `{"tags":["a",1]}`, `{"tags":[[],{}]}`)...)
	case 10:
		dst = appendDigits(append(dst, `{"delta":-1`...), v, 1)
		return append(appendDigits(append(dst, '.'), v>>32, 2), '}')
	default:
		return append(dst, pick(v, `{"u":"Ca\u00e9"}`, `{"u":"<b>&</b>"}`)...)
	}
}

func appendOrder(dst []byte, v uint64) []byte {
	dst = strconv.AppendUint(append(dst, `{"order":`...), 1<<53+1+2*(v%1_000_000), 10)
	dst = append(dst, `,"items":[{"sku":"Ä-1","qty":2,"price":19.90,"tags":["new",null]}]`...)
	return append(dst, `,"gift":false,"note":"line\nbreak \"quoted\" \ud83d\ude00"}`...)
}

func appendDigits(dst []byte, v uint64, width int) []byte {
	for range width {
		dst = append(dst, '0'+byte(v%10))
		v /= 10
	}
	return dst
}

func pick(v uint64, from ...string) string { return from[v%uint64(len(from))] }
