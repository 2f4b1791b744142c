package main

import (
	"encoding/binary"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// eventTypes are the types of eventColumns, as PostgreSQL's object ids.
var eventTypes = []uint32{
	pgtype.UUIDOID, pgtype.UUIDOID, pgtype.UUIDOID, pgtype.TextOID, pgtype.TextOID, pgtype.JSONBOID, pgtype.TimestamptzOID,
	pgtype.TextOID, pgtype.TextOID, pgtype.JSONBOID, pgtype.Int8OID,
}

// encodePages encodes each page of rows in the binary format of COPY (PostgreSQL manual, COPY, "Binary Format").
func encodePages(types *pgtype.Map, pages [][][]any) ([][]byte, error) {
	encoded := make([][]byte, len(pages))
	for i, rows := range pages {
		data := append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0) // the signature, no flags, and no header extension
		for _, row := range rows {
			var err error
			if data, err = encodeRow(types, data, row); err != nil {
				return nil, err
			}
		}
		encoded[i] = append(data, 0xff, 0xff) // the trailer
	}
	return encoded, nil
}

// encodeRow appends a row to data: the number of fields, and then the length and the value of each field. The length of NULL is -1.
func encodeRow(types *pgtype.Map, data []byte, row []any) ([]byte, error) {
	data = binary.BigEndian.AppendUint16(data, uint16(len(row))) //nolint:gosec // a few columns
	for i, value := range row {
		const lengthSize = 4
		start := len(data)
		data = append(data, 0xff, 0xff, 0xff, 0xff) // -1, which the length replaces if the value is not NULL
		if value == nil {
			continue
		}
		var err error
		if data, err = types.Encode(eventTypes[i], pgtype.BinaryFormatCode, value, data); err != nil {
			return nil, err
		}
		binary.BigEndian.PutUint32(data[start:], uint32(len(data)-start-lengthSize)) //nolint:gosec // at most a page
	}
	return data, nil
}

func joinColumns() string { return strings.Join(eventColumns, ", ") }
