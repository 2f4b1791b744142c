package cli

import "github.com/pawldata/pawl/internal/domain"

// apiExplanations returns the explanations of the codes about the API and what it sends.
func apiExplanations() []explanation {
	return []explanation{
		{
			code: domain.CodeAPIKeyRefused, exitCodes: []int{ExitSettings},
			cause: "The API answered with status 401 or 403: it does not accept the key that pawl sent.",
			remedy: "Set API_KEY, or the file that API_KEY_FILE names, to a key that is valid for this API. `pawl config` shows where the " +
				"key comes from. Then run the command again.",
		},
		{
			code: domain.CodeAPIWrongAddress, exitCodes: []int{ExitSettings, ExitData},
			cause: "API_BASE_URL does not lead to the API: nothing is there, a web page or other JSON answers, the server redirects to " +
				"another address, or it speaks plain HTTP although the address begins with https.",
			remedy: "Correct API_BASE_URL: it has no /events at its end and usually ends in /api/v1. If the server redirects, use the " +
				"address in the message: pawl does not send the key there by itself. If this address has worked before, the API may be " +
				"down behind a web page that says so: run the command again later.",
		},
		{
			code: domain.CodeAPIRequestRefused, exitCodes: []int{ExitSettings},
			cause: "The API does not accept the request (a status from 400 to 499). The address may belong to another service, or the API " +
				"may not allow the page size.",
			remedy: "Read the API's own text in the message. Check API_BASE_URL, and try a smaller --page-size.",
		},
		{
			code: domain.CodeAPICertificateUntrusted, exitCodes: []int{ExitSettings},
			cause: "This machine does not trust the certificate of the API's server, or the certificate is for another host.",
			remedy: "Check the host in API_BASE_URL. If it is right, add the authority that issued the certificate to the trusted ones of " +
				"this machine; on Linux the environment variable SSL_CERT_FILE can name a file with it.",
		},
		{
			code: domain.CodeAPIUnreachable, exitCodes: []int{ExitAgain},
			cause: "No complete answer came from the API: its host is unknown, the connection failed or broke, the answer took longer " +
				"than --request-timeout, or it paused for a third of that time. pawl tries again by itself, and ends after --tries attempts for one " +
				"page, or after --max-page-time.",
			remedy: "Run the command again later: a run continues after the last page stored. If the error stays, check the host in " +
				"API_BASE_URL and the network of this machine. If the API is slow, raise --request-timeout or lower --page-size.",
		},
		{
			code: domain.CodeAPIServerError, exitCodes: []int{ExitAgain},
			cause: "The API answered with an error of its own (a status of 500 or more, 408 or 425). pawl tries again by itself, and ends " +
				"after --tries attempts for one page, or after --max-page-time.",
			remedy: "Run the command again later: a run continues after the last page stored. If the error stays, tell the API's operator, " +
				"with the request id in the message.",
		},
		{
			code: domain.CodeProxyFailed, exitCodes: []int{ExitSettings},
			cause: "The HTTP proxy between pawl and the API asks for another user or password, or the address of the proxy cannot be used.",
			remedy: "Correct or unset HTTP_PROXY and HTTPS_PROXY in the environment. NO_PROXY names hosts that pawl reaches without the " +
				"proxy.",
		},
		{
			code: domain.CodeAPIBadPage, exitCodes: []int{ExitData},
			cause: "The API's answer is not a complete page. For example, it is cut off, has no list of records, or has no cursor to " +
				"continue; or the API sends one empty page after another. pawl has asked again, and has stored nothing of this page.",
			remedy: "Run the command again later, because a cache or a proxy may have spoiled the answer. If the error stays, tell the API's " +
				"operator what the message says, with its request id.",
		},
		{
			code: domain.CodeAPIPageTooLarge, exitCodes: []int{ExitData},
			cause:  "A page has more bytes than --max-page-bytes allows. This limit bounds the memory that pawl needs.",
			remedy: "If pages are that large, raise --max-page-bytes, or lower --page-size to get smaller pages.",
		},
		{
			code: domain.CodeAPIPageRepeated, exitCodes: []int{ExitAgain},
			cause: "The API sent the records of an earlier page again, or its cursor leads back to a place where it has been. A run that " +
				"believed this would never end, or would miss records. pawl asks again, then steps back to earlier pages, then reads from the " +
				"first page again. It ends only if three passes in a row got no further.",
			remedy: "Run the command again later, because a cache may have answered. If the error stays, use another --page-size and tell " +
				"the API's operator. If the API is repaired and each run still ends so, the stored cursor leads into a cycle: " +
				"`pawl checkpoint reset` makes the next run read from the first page. It deletes no event.",
		},
		{
			code: domain.CodeAPIEndTooEarly, exitCodes: []int{ExitData},
			cause: "The API says that the stream ends, but it has returned fewer records than it announced at the beginning.",
			remedy: "Run the command again later, because the API may be changing. If its total is permanently wrong, accept the end: " +
				"`pawl run --accept-short-end`.",
		},
		{
			code: domain.CodeAPIEndUnconfirmed, exitCodes: []int{ExitData},
			cause: "A second answer of the API must confirm the end of the stream, and it has not: its answers differ.",
			remedy: "Run the command again later. If the error stays, the API changes faster than it can be read: run pawl when fewer events " +
				"arrive.",
		},
		{
			code: domain.CodeRateLimited, exitCodes: []int{ExitAgain},
			cause: "The API allows no request now, because its rate limit is used up. pawl waits as long as the API says and then goes on.",
			remedy: "Nothing: `pawl status` shows until when the run waits. If the command has ended, run it again later. To spread the " +
				"requests over time, set --rate-limit-delay-ms.",
		},
		{
			code: domain.CodeRateLimitWaitTooLong, exitCodes: []int{ExitAgain},
			cause: "The API asks pawl to wait longer than --max-wait allows for one page, so the command ended. All pages that were stored " +
				"stay.",
			remedy: "Run the command again after the time in the message, or raise --max-wait.",
		},
		{
			code: domain.CodeCursorLost, exitCodes: []int{ExitAgain},
			cause: "The API no longer accepts the cursor of the next page. If it has expired, pawl reads from the first page again by itself. If " +
				"the API does not know it, pawl first steps back to earlier pages. Stored events count as duplicates. A run ends only if three " +
				"passes in a row got no further.",
			remedy: "With the same settings it would end in the same way. Raise --page-size, up to 5000, so that fewer requests are needed. If " +
				"it is 5000 already, set --rate-limit-delay-ms 0 or use a faster database. Nothing is lost.",
		},
	}
}
